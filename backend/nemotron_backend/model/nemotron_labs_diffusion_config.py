"""Which Nemotron-Labs-Diffusion does a config.json describe?

The trunk is a Llama with other rotations; what comes on top is the mask's id and the length of a block.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import msgspec

from nemotron_backend.model.config import LlamaConfig, QueryScaling, YarnScaling, described
from nemotron_backend.model.dense_file import Count, DenseFile, faults, read_file, refuse
from nemotron_backend.model.network import Masking

MODEL_TYPE = "nemotron_labs_diffusion"
_REMEDY = "Take a checkpoint of Nemotron-Labs-Diffusion in Hugging Face format."


@dataclass(frozen=True, slots=True, kw_only=True)
class NemotronLabsDiffusionConfig:
    """Shapes and constants of the trunk, and how masks are filled in.

    Released checkpoints come with a draft adapter; one that was trained without says so.
    """

    trunk: LlamaConfig
    masking: Masking
    has_draft_adapter: bool


_Positive = Annotated[float, msgspec.Meta(gt=0)]


class _Rope(msgspec.Struct, kw_only=True):
    rope_type: str
    rope_theta: _Positive
    factor: _Positive
    original_max_position_embeddings: Count
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    mscale: float = 1.0
    mscale_all_dim: float = 1.0
    llama_4_scaling_beta: float = 0.0


class _File(DenseFile, kw_only=True):
    num_key_value_heads: Count
    head_dim: Count
    max_position_embeddings: Count
    rope_parameters: _Rope
    rms_norm_eps: float = 1e-5
    hidden_act: str = "silu"
    sliding_window: int | None = None
    block_size: Count = 32
    mask_token_id: Annotated[int, msgspec.Meta(ge=0)] = 100
    has_draft_adapter: bool = True


def read_config(folder: Path) -> NemotronLabsDiffusionConfig:
    """The config of a checkpoint folder. Raises UnreadableFile, UnsupportedConfig."""
    path = folder / "config.json"
    file = read_file(path, _File, _REMEDY)
    refuse(path, faults(file, MODEL_TYPE, "silu") | _own_faults(file), _REMEDY)
    return NemotronLabsDiffusionConfig(
        trunk=_trunk(file),
        masking=Masking(mask_id=file.mask_token_id, block_length=file.block_size),
        has_draft_adapter=file.has_draft_adapter,
    )


def _own_faults(file: _File) -> dict[str, bool]:
    rope = file.rope_parameters
    return {
        f"rope_type is {rope.rope_type!r}, not 'yarn'": rope.rope_type != "yarn",
        "mscale and mscale_all_dim differ, which would scale attention": rope.mscale != rope.mscale_all_dim,
        "a sliding window is not supported": file.sliding_window is not None,
        f"mask_token_id {file.mask_token_id} is outside the vocabulary": (
            file.mask_token_id >= file.vocab_size
        ),
    }


def _trunk(file: _File) -> LlamaConfig:
    rope = file.rope_parameters
    original = rope.original_max_position_embeddings
    return replace(
        described(file, file.rms_norm_eps, rope.rope_theta),
        rope_scaling=YarnScaling(
            factor=rope.factor,
            original_max_position_embeddings=original,
            beta_fast=rope.beta_fast,
            beta_slow=rope.beta_slow,
        ),
        query_scaling=QueryScaling(beta=rope.llama_4_scaling_beta, original_max_position_embeddings=original),
    )
