"""How does a Llama draft that was never taught to fill in masks?

Beside its draft adapter lies the embedding of a mask. The mask is no token, so it takes the first id behind
the vocabulary: nobody can ask for it, and the network cannot say it.
"""

import json
from pathlib import Path
from typing import Annotated

import msgspec
import torch

from nemotron_backend.model.config import LlamaConfig
from nemotron_backend.model.draft_adapter import REMEDY, read_corrections
from nemotron_backend.model.errors import UnreadableFile
from nemotron_backend.model.llama import Drafting
from nemotron_backend.model.network import Masking
from nemotron_backend.model.weights import Weights

CONFIG = "mask_config.json"
EMBEDDING = "mask_embedding.safetensors"
TENSOR = "mask_embedding"


class _File(msgspec.Struct, kw_only=True):
    """What mask_config.json holds: the longest block that was taught, its known token included."""

    block_size: Annotated[int, msgspec.Meta(ge=2)]


def read_drafting(folder: Path, config: LlamaConfig) -> Drafting | None:
    """What the adapter in a folder lets the network do; None where there is no such folder.

    Raises CheckpointError.
    """
    if not folder.is_dir():
        return None
    file = _read_file(folder / CONFIG)
    embedding = Weights.open_file(folder / EMBEDDING).read(TENSOR, config.hidden_size)
    return Drafting(
        masking=Masking(mask_id=config.vocab_size, block_length=file.block_size, is_for_drafts=True),
        corrections=read_corrections(folder, config, "model.model"),
        mask=embedding.to(torch.bfloat16),
    )


def _read_file(path: Path) -> _File:
    try:
        return msgspec.convert(json.loads(path.read_bytes()), _File)
    except (OSError, ValueError) as error:
        raise UnreadableFile(path, f"not a readable config of a mask ({error})", REMEDY) from error
