"""How does a folder of Nemotron-Labs-Diffusion become networks?

The network is a Llama under other names: `encoder` for the trunk and `diffusion_head` for the head, which
serves tokens from left to right and masks alike.
"""

from dataclasses import replace
from pathlib import Path

from nemotron_backend.model.adapter_folder import FOLDER
from nemotron_backend.model.design import Design
from nemotron_backend.model.draft_adapter import read_corrections
from nemotron_backend.model.llama import Drafting
from nemotron_backend.model.load import LlamaCheckpoint
from nemotron_backend.model.nemotron_labs_diffusion_config import read_config
from nemotron_backend.model.weights import Weights

_DESIGN = Design(trunk="encoder", head="diffusion_head")


def open_checkpoint(folder: Path) -> LlamaCheckpoint:
    """The checkpoint, with its draft adapter if it has one. Raises CheckpointError."""
    config = read_config(folder)
    adapter = folder / FOLDER
    corrections = read_corrections(adapter, config.trunk, "model.encoder") if adapter.is_dir() else ()
    masking = replace(config.masking, lacks_adapter=config.has_draft_adapter and not corrections)
    drafting = Drafting(masking=masking, corrections=corrections)
    return LlamaCheckpoint(config.trunk, Weights.open(folder), _DESIGN, drafting)
