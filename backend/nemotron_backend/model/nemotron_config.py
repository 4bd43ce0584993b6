"""Which dense Nemotron does a config.json describe?"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec

from nemotron_backend.model.config import LlamaConfig, described
from nemotron_backend.model.dense_file import Count, DenseFile, faults, read_file, refuse

MODEL_TYPE = "nemotron"
_REMEDY = "Take a checkpoint of a dense Nemotron (Minitron, Nemotron-4) in Hugging Face format."
_Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class _Rope(msgspec.Struct, kw_only=True):
    rope_type: str = "default"
    rope_theta: float | None = None
    partial_rotary_factor: _Share | None = None


class _File(DenseFile, kw_only=True):
    """NVIDIA's own files call the width of a head `kv_channels`; `head_dim` came later."""

    hidden_act: str = "relu2"
    max_position_embeddings: Count = 4096
    kv_channels: Count | None = None
    norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    rope_scaling: dict[str, Any] | None = None
    rope_parameters: _Rope = msgspec.field(default_factory=_Rope)
    partial_rotary_factor: _Share = 0.5

    def __post_init__(self) -> None:
        self.head_dim = self.head_dim or self.kv_channels


def read_config(folder: Path) -> LlamaConfig:
    """The config of a checkpoint folder. Raises UnreadableFile, UnsupportedConfig."""
    path = folder / "config.json"
    file = read_file(path, _File, _REMEDY)
    # transformers 5 writes what turns heads into rope_parameters, older releases beside it.
    rope = file.rope_parameters
    config = replace(
        described(file, file.norm_eps, rope.rope_theta or file.rope_theta),
        rotary_share=rope.partial_rotary_factor or file.partial_rotary_factor,
    )
    refuse(path, faults(file, MODEL_TYPE, "relu2") | _own_faults(file, config), _REMEDY)
    return config


def _own_faults(file: _File, config: LlamaConfig) -> dict[str, bool]:
    rope = file.rope_parameters.rope_type
    return {
        f"head_dim is {file.head_dim} and kv_channels {file.kv_channels}, and they mean the same": (
            file.kv_channels not in (None, file.head_dim)
        ),
        f"rope type {rope!r} is not 'default'": rope != "default" or bool(file.rope_scaling),
        f"{config.rotary_dim} of {config.head_dim} numbers of a head have no pairs to turn": (
            config.rotary_dim % 2 == 1 or config.rotary_dim == 0
        ),
    }
