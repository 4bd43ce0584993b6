"""Which dense Llama-type network does a config.json describe?"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from nemotron_backend.model.errors import UnreadableFile, UnsupportedConfig

_REMEDY = "Take a checkpoint of a dense Llama-type model in Hugging Face format."


@dataclass(frozen=True, slots=True, kw_only=True)
class Llama3Scaling:
    """How Llama 3 stretches its slow rotations to a longer context."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_position_embeddings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class YarnScaling:
    """How YaRN does the same: turns between `beta_slow` and `beta_fast` over the original context blend."""

    factor: float
    original_max_position_embeddings: int
    beta_fast: float = 32.0
    beta_slow: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryScaling:
    """Queries far out are made larger by 1 + beta * ln(1 + floor(position / original))."""

    beta: float
    original_max_position_embeddings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaConfig:
    """Every shape and constant of the network, complete."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    norm_epsilon: float
    context: int
    is_tied: bool
    rope_theta: float
    rope_scaling: Llama3Scaling | YarnScaling | None
    query_scaling: QueryScaling | None = None

    @property
    def group(self) -> int:
        """How many query heads share one key and value head."""
        return self.num_heads // self.num_kv_heads


_Count = Annotated[int, msgspec.Meta(ge=1)]


class _File(msgspec.Struct, kw_only=True):
    """The fields of config.json that matter, as Hugging Face spells them."""

    model_type: str
    vocab_size: _Count
    hidden_size: _Count
    intermediate_size: _Count
    num_hidden_layers: _Count
    num_attention_heads: _Count
    num_key_value_heads: _Count | None = None
    head_dim: _Count | None = None
    rms_norm_eps: float = 1e-6
    max_position_embeddings: _Count = 2048
    tie_word_embeddings: bool = False
    hidden_act: str = "silu"
    attention_bias: bool = False
    mlp_bias: bool = False
    quantization_config: dict[str, Any] | None = None
    rope_theta: float = 10000.0
    rope_scaling: dict[str, Any] | None = None
    rope_parameters: dict[str, Any] | None = None


def read_config(folder: Path) -> LlamaConfig:
    """The config of a checkpoint folder. Raises UnreadableFile, UnsupportedConfig."""
    path = folder / "config.json"
    try:
        file = msgspec.convert(json.loads(path.read_bytes()), _File)
    except (OSError, ValueError) as error:
        raise UnreadableFile(path, f"not a readable model config ({error})", _REMEDY) from error
    _check(path, file)
    return _complete(path, file)


def _check(path: Path, file: _File) -> None:
    num_kv_heads = file.num_key_value_heads or file.num_attention_heads
    head_dim = file.head_dim or file.hidden_size // file.num_attention_heads
    problems = {
        "the weights are quantised, and here plain ones are rounded when they are served": (
            file.quantization_config is not None
        ),
        f"model_type is {file.model_type!r}, not 'llama'": file.model_type != "llama",
        f"hidden_act is {file.hidden_act!r}, not 'silu'": file.hidden_act != "silu",
        f"head_dim is {head_dim}, which has no pairs to turn": head_dim % 2 == 1,
        "biases are not supported": file.attention_bias or file.mlp_bias,
        f"{file.num_attention_heads} query heads cannot share {num_kv_heads} key heads": (
            file.num_attention_heads % num_kv_heads != 0
        ),
    }
    for problem, is_wrong in problems.items():
        if is_wrong:
            raise UnsupportedConfig(path, problem, _REMEDY)


def _complete(path: Path, file: _File) -> LlamaConfig:
    # transformers 5 writes both of a rope's halves into rope_parameters, older releases apart.
    rope = file.rope_parameters or file.rope_scaling or {}
    return LlamaConfig(
        vocab_size=file.vocab_size,
        hidden_size=file.hidden_size,
        intermediate_size=file.intermediate_size,
        num_layers=file.num_hidden_layers,
        num_heads=file.num_attention_heads,
        num_kv_heads=file.num_key_value_heads or file.num_attention_heads,
        head_dim=file.head_dim or file.hidden_size // file.num_attention_heads,
        norm_epsilon=file.rms_norm_eps,
        context=file.max_position_embeddings,
        is_tied=file.tie_word_embeddings,
        rope_theta=float(rope.get("rope_theta") or file.rope_theta),
        rope_scaling=_scaling(path, rope),
    )


def _scaling(path: Path, rope: Mapping[str, Any]) -> Llama3Scaling | None:
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind == "default":
        return None
    if kind != "llama3":
        raise UnsupportedConfig(path, f"rope type {kind!r} is neither 'default' nor 'llama3'", _REMEDY)
    try:
        return msgspec.convert(dict(rope), Llama3Scaling)
    except msgspec.ValidationError as error:
        raise UnsupportedConfig(path, f"the rope scaling is incomplete ({error})", _REMEDY) from error
