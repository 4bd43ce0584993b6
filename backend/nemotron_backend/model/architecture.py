"""Which of the networks that run here is in a folder?"""

import json
from pathlib import Path

from nemotron_backend.model import nemotron_labs_diffusion
from nemotron_backend.model.load import Checkpoint
from nemotron_backend.model.nemotron_labs_diffusion_config import MODEL_TYPE


def model_type(folder: Path) -> str:
    """What config.json calls its architecture; empty where there is nothing to read."""
    try:
        content = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return ""
    return str(content.get("model_type", "")) if isinstance(content, dict) else ""


def open_checkpoint(folder: Path) -> Checkpoint:
    """The checkpoint in a folder in Hugging Face format. Raises CheckpointError."""
    if model_type(folder) == MODEL_TYPE:
        return nemotron_labs_diffusion.open_checkpoint(folder)
    return Checkpoint.open(folder)
