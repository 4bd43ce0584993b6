"""Which Nemotron-Labs-Diffusion does a config.json describe?

The trunk is a Llama with other rotations; what comes on top is the mask's id and the length of a block.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from nemotron_backend.model.config import LlamaConfig, QueryScaling, YarnScaling
from nemotron_backend.model.errors import UnreadableFile, UnsupportedConfig
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


_Count = Annotated[int, msgspec.Meta(ge=1)]
_Positive = Annotated[float, msgspec.Meta(gt=0)]


class _Rope(msgspec.Struct, kw_only=True):
    rope_type: str
    rope_theta: _Positive
    factor: _Positive
    original_max_position_embeddings: _Count
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    mscale: float = 1.0
    mscale_all_dim: float = 1.0
    llama_4_scaling_beta: float = 0.0


class _File(msgspec.Struct, kw_only=True):
    """The fields of config.json that matter, as Hugging Face spells them."""

    model_type: str
    vocab_size: _Count
    hidden_size: _Count
    intermediate_size: _Count
    num_hidden_layers: _Count
    num_attention_heads: _Count
    num_key_value_heads: _Count
    head_dim: _Count
    max_position_embeddings: _Count
    rope_parameters: _Rope
    rms_norm_eps: float = 1e-5
    hidden_act: str = "silu"
    tie_word_embeddings: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    quantization_config: dict[str, Any] | None = None
    sliding_window: int | None = None
    block_size: _Count = 32
    mask_token_id: Annotated[int, msgspec.Meta(ge=0)] = 100
    has_draft_adapter: bool = True


def read_config(folder: Path) -> NemotronLabsDiffusionConfig:
    """The config of a checkpoint folder. Raises UnreadableFile, UnsupportedConfig."""
    path = folder / "config.json"
    try:
        file = msgspec.convert(json.loads(path.read_bytes()), _File)
    except (OSError, ValueError) as error:
        raise UnreadableFile(path, f"not a readable model config ({error})", _REMEDY) from error
    _check(path, file)
    return NemotronLabsDiffusionConfig(
        trunk=_trunk(file),
        masking=Masking(mask_id=file.mask_token_id, block_length=file.block_size),
        has_draft_adapter=file.has_draft_adapter,
    )


def _check(path: Path, file: _File) -> None:
    rope, heads, kv_heads = file.rope_parameters, file.num_attention_heads, file.num_key_value_heads
    problems = {
        "the weights are quantised, and here plain ones are rounded when they are served": (
            file.quantization_config is not None
        ),
        f"model_type is {file.model_type!r}, not {MODEL_TYPE!r}": file.model_type != MODEL_TYPE,
        f"hidden_act is {file.hidden_act!r}, not 'silu'": file.hidden_act != "silu",
        f"rope_type is {rope.rope_type!r}, not 'yarn'": rope.rope_type != "yarn",
        "mscale and mscale_all_dim differ, which would scale attention": rope.mscale != rope.mscale_all_dim,
        f"head_dim is {file.head_dim}, which has no pairs to turn": file.head_dim % 2 == 1,
        "biases are not supported": file.attention_bias or file.mlp_bias,
        "a sliding window is not supported": file.sliding_window is not None,
        f"{heads} query heads cannot share {kv_heads} key heads": heads % kv_heads != 0,
        f"mask_token_id {file.mask_token_id} is outside the vocabulary": (
            file.mask_token_id >= file.vocab_size
        ),
    }
    for problem, is_wrong in problems.items():
        if is_wrong:
            raise UnsupportedConfig(path, problem, _REMEDY)


def _trunk(file: _File) -> LlamaConfig:
    rope = file.rope_parameters
    original = rope.original_max_position_embeddings
    return LlamaConfig(
        vocab_size=file.vocab_size,
        hidden_size=file.hidden_size,
        intermediate_size=file.intermediate_size,
        num_layers=file.num_hidden_layers,
        num_heads=file.num_attention_heads,
        num_kv_heads=file.num_key_value_heads,
        head_dim=file.head_dim,
        norm_epsilon=file.rms_norm_eps,
        context=file.max_position_embeddings,
        is_tied=file.tie_word_embeddings,
        rope_theta=rope.rope_theta,
        rope_scaling=YarnScaling(
            factor=rope.factor,
            original_max_position_embeddings=original,
            beta_fast=rope.beta_fast,
            beta_slow=rope.beta_slow,
        ),
        query_scaling=QueryScaling(beta=rope.llama_4_scaling_beta, original_max_position_embeddings=original),
    )
