"""Which dense Llama-type network does a config.json describe?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from nemotron_backend.model.dense_file import DenseFile, faults, read_file, refuse
from nemotron_backend.model.errors import UnsupportedConfig

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
    """Every shape and constant of the network, complete.

    The first `rotary_dim` numbers of a head are turned by their position, the others are not.
    """

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
    rope_scaling: Llama3Scaling | YarnScaling | None = None
    query_scaling: QueryScaling | None = None
    rotary_share: float = 1.0

    @property
    def rotary_dim(self) -> int:
        """How many numbers of a head are turned."""
        return int(self.head_dim * self.rotary_share)

    @property
    def group(self) -> int:
        """How many query heads share one key and value head."""
        return self.num_heads // self.num_kv_heads


class _File(DenseFile, kw_only=True):
    rms_norm_eps: float = 1e-6
    hidden_act: str = "silu"
    rope_theta: float = 10000.0
    rope_scaling: dict[str, Any] | None = None
    rope_parameters: dict[str, Any] | None = None


def read_config(folder: Path) -> LlamaConfig:
    """The config of a checkpoint folder. Raises UnreadableFile, UnsupportedConfig."""
    path = folder / "config.json"
    file = read_file(path, _File, _REMEDY)
    refuse(path, faults(file, "llama", "silu"), _REMEDY)
    # transformers 5 writes both of a rope's halves into rope_parameters, older releases apart.
    rope = file.rope_parameters or file.rope_scaling or {}
    config = described(file, file.rms_norm_eps, float(rope.get("rope_theta") or file.rope_theta))
    return replace(config, rope_scaling=_scaling(path, rope))


def described(file: DenseFile, norm_epsilon: float, rope_theta: float) -> LlamaConfig:
    """The network that such a config describes, with plain rotations."""
    return LlamaConfig(
        vocab_size=file.vocab_size,
        hidden_size=file.hidden_size,
        intermediate_size=file.intermediate_size,
        num_layers=file.num_hidden_layers,
        num_heads=file.num_attention_heads,
        num_kv_heads=file.num_kv_heads,
        head_dim=file.width_of_head,
        norm_epsilon=norm_epsilon,
        context=file.max_position_embeddings,
        is_tied=file.tie_word_embeddings,
        rope_theta=rope_theta,
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
