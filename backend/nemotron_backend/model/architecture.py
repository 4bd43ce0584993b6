"""Which of the networks that run here is in a folder?"""

import json
from pathlib import Path

from nemotron_backend.model import nemotron, nemotron_labs_diffusion
from nemotron_backend.model.checkpoint import Checkpoint
from nemotron_backend.model.load import LlamaCheckpoint
from nemotron_backend.model.nemotron_config import MODEL_TYPE as DENSE
from nemotron_backend.model.nemotron_h_checkpoint import NemotronHCheckpoint
from nemotron_backend.model.nemotron_labs_diffusion_config import MODEL_TYPE as DIFFUSION
from nemotron_backend.model.reward_config import read_head


def model_type(folder: Path) -> str:
    """What config.json calls its architecture; empty where there is nothing to read."""
    try:
        content = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return ""
    return str(content.get("model_type", "")) if isinstance(content, dict) else ""


def open_checkpoint(folder: Path, adapter: Path | None = None, *, is_reward: bool = False) -> Checkpoint:
    """The checkpoint in a folder in Hugging Face format. Raises CheckpointError.

    A Llama may have its draft `adapter` in a folder elsewhere. Whether a language model `is_reward` does not
    stand in its files.
    """
    match model_type(folder):
        case "nemotron_h":
            return NemotronHCheckpoint.open(folder)
        case kind if kind == DENSE:
            return nemotron.open_checkpoint(folder, read_head(folder, is_reward=is_reward))
        case kind if kind == DIFFUSION:
            return nemotron_labs_diffusion.open_checkpoint(folder)
        case _:
            reward = read_head(folder, is_reward=is_reward)
            return LlamaCheckpoint.open(folder, adapter, reward=reward)
