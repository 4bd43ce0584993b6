"""Which precision did ModelOpt give each module of a checkpoint?

It says so in hf_quant_config.json, or under `quantization_config` in config.json, or in both:

    {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4", "group_size": 16,
     "kv_cache_quant_algo": null, "exclude_modules": ["lm_head", "backbone.layers.4.mixer.*"]}}
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from nemotron_backend.model.errors import UnreadableFile, UnsupportedConfig
from nemotron_backend.request import Precision
from nemotron_kernels.nvfp4 import BLOCK

_REMEDY = "Take a checkpoint that ModelOpt wrote in FP8, NVFP4 or a mix of them."
_OF_ALGORITHM: Mapping[str, Precision] = {"FP8": "fp8", "NVFP4": "nvfp4", "W4A16_NVFP4": "nvfp4"}
_MIXED = "MIXED_PRECISION"
_HF_FILE = "hf_quant_config.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantisation:
    """The precision of every linear layer, by the name of its module.

    `precision` is what the checkpoint as a whole is called. Layers in `by_layer` have their own; when
    `is_mixed`, no other layer is quantised.
    """

    precision: Precision
    excluded: tuple[str, ...] = ()
    by_layer: Mapping[str, Precision] = field(default_factory=dict)
    is_mixed: bool = False

    def of(self, module: str) -> Precision:
        """The precision of one module, such as `backbone.layers.0.mixer.in_proj`."""
        if any(_names(pattern, module) for pattern in self.excluded):
            return "bf16"
        for pattern, precision in self.by_layer.items():
            if _names(pattern, module):
                return precision
        return "bf16" if self.is_mixed else self.precision


PLAIN = Quantisation(precision="bf16")


class _Layer(msgspec.Struct):
    quant_algo: str


class _Written(msgspec.Struct):
    """The keys of both forms; `exclude_modules` is called `ignore` in config.json."""

    quant_algo: str | None = None
    exclude_modules: list[str] = []
    ignore: list[str] = []
    quantized_layers: dict[str, _Layer] = {}
    quant_method: str = "modelopt"


def read_quantisation(folder: Path) -> Quantisation:
    """What a folder says about its weights. Raises UnreadableFile, UnsupportedConfig."""
    own = folder / _HF_FILE
    sections = {
        own: _load(own).get("quantization") if own.exists() else None,
        folder / "config.json": _load(folder / "config.json").get("quantization_config"),
    }
    readings = [_parse(path, section) for path, section in sections.items() if section is not None]
    if not readings:
        return PLAIN
    if any(reading != readings[0] for reading in readings):
        raise UnsupportedConfig(own, "config.json names other quantised layers", _REMEDY)
    return readings[0]


def _load(path: Path) -> dict[str, Any]:
    try:
        return msgspec.convert(json.loads(path.read_bytes()), dict[str, Any])
    except (OSError, ValueError) as error:
        raise UnreadableFile(path, f"not a readable description ({error})", _REMEDY) from error


def _parse(path: Path, section: Any) -> Quantisation:
    try:
        written = msgspec.convert(section, _Written)
        if written.quant_method != "modelopt":
            raise ValueError(f"quant_method is {written.quant_method!r}, not 'modelopt'")
        return _quantisation(written)
    except ValueError as error:
        raise UnsupportedConfig(path, str(error), _REMEDY) from error


def _quantisation(written: _Written) -> Quantisation:
    by_layer: dict[str, Precision] = {
        name: _precision(layer.quant_algo) for name, layer in written.quantized_layers.items()
    }
    is_mixed = written.quant_algo == _MIXED
    precision: Precision = "nvfp4" if "nvfp4" in by_layer.values() else "fp8"
    return Quantisation(
        precision=precision if is_mixed else _precision(written.quant_algo),
        excluded=tuple(sorted({*written.exclude_modules, *written.ignore})),
        by_layer=by_layer,
        is_mixed=is_mixed,
    )


def _precision(algorithm: str | None) -> Precision:
    if algorithm is None or algorithm not in _OF_ALGORITHM:
        raise ValueError(f"quant_algo is {algorithm!r}, not one of {', '.join((*_OF_ALGORITHM, _MIXED))}")
    return _OF_ALGORITHM[algorithm]


def _names(pattern: str, module: str) -> bool:
    """Whether a glob, or the name of a module or of one around it, means this module."""
    return fnmatchcase(module, pattern) or module.startswith(f"{pattern}.")


def hf_quant_config(quantisation: Quantisation) -> dict[str, Any]:
    """The content of hf_quant_config.json for a checkpoint of one precision."""
    section: dict[str, Any] = {
        "quant_algo": quantisation.precision.upper(),
        "kv_cache_quant_algo": None,
        "exclude_modules": list(quantisation.excluded),
    }
    if quantisation.precision == "nvfp4":
        section["group_size"] = BLOCK
    return {"producer": _PRODUCER, "quantization": section}


def quantization_config(quantisation: Quantisation) -> dict[str, Any]:
    """The same content as `quantization_config` in config.json."""
    is_fp8 = quantisation.precision == "fp8"
    numbers: dict[str, Any] = {"num_bits": 8 if is_fp8 else 4, "type": "float", "dynamic": False}
    if not is_fp8:
        numbers["group_size"] = BLOCK
    return {
        "quant_method": "modelopt",
        "quant_algo": quantisation.precision.upper(),
        "config_groups": {
            "group_0": {"weights": numbers, "input_activations": dict(numbers), "targets": ["Linear"]}
        },
        "ignore": list(quantisation.excluded),
        "kv_cache_scheme": None,
        "producer": _PRODUCER,
    }


_PRODUCER: Mapping[str, str] = {"name": "modelopt", "version": "0.29.0"}
