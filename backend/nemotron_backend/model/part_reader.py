"""How do a checkpoint's tensors become the parts of a network?

Parts are kept by name and precision, so what two precisions have in common is read and held once.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from nemotron_backend.model.inventory import EMBEDDING, Shape, is_linear, prefix
from nemotron_backend.model.matrix import Matrix
from nemotron_backend.model.modelopt import Quantisation
from nemotron_backend.model.nemotron_h_config import NemotronHConfig
from nemotron_backend.model.nemotron_h_tensors import module
from nemotron_backend.model.parts import WholeExperts, WholeLinear, WholeParts
from nemotron_backend.model.precision import shifted
from nemotron_backend.model.stored_weight import StoredWeight
from nemotron_backend.request import Precision
from nemotron_kernels.grouped_experts import ExpertWeights
from nemotron_kernels.native import NativeExperts, is_short, native_code, native_experts, native_linear

_ATTENTION_INPUT = re.compile(r"\.[qkv]_proj\.")
_Key = tuple[str, tuple[Precision, ...]]


class Source(Protocol):
    """Checked tensors by name, and the config that they follow."""

    @property
    def config(self) -> NemotronHConfig: ...

    @property
    def shapes(self) -> Mapping[str, Shape]: ...

    def tensor(self, name: str) -> Tensor:
        """A tensor that no precision touches."""
        ...

    def quantised(self, name: str, wanted: Quantisation) -> StoredWeight:
        """A linear weight in the wanted precision."""
        ...


class PartReader:
    """The parts of one checkpoint in every precision that was asked for."""

    def __init__(self, source: Source, tensors: dict[str, Tensor]) -> None:
        """`tensors` keeps what no precision touches; readers of one checkpoint may share it."""
        self._source = source
        self._tensors = tensors
        self._matrices: dict[_Key, WholeLinear] = {}
        self._experts: dict[_Key, WholeExperts] = {}

    @property
    def num_bytes(self) -> int:
        """Bytes of all parts held, of every precision that was read."""
        experts = sum(map(_bytes_of, self._experts.values()))
        matrices = sum(held.num_bytes for held in self._matrices.values())
        return sum(held.nbytes for held in self._tensors.values()) + matrices + experts

    def whole(self, wanted: Quantisation) -> WholeParts:
        """All parts of the largest network in the wanted precision. Raises CheckpointError."""
        shapes = self._source.shapes
        return WholeParts(
            tensors={name: self._tensor(name) for name in shapes if not is_linear(name)},
            matrices={
                name: self._matrix(name, members, wanted) for name, members in _maps(list(shapes)).items()
            },
            experts={
                f"{prefix(layer)}experts.*.{part}_proj.weight": self._stack(layer, part, wanted)
                for layer, kind in enumerate(self._source.config.layers)
                if kind == "experts"
                for part in ("up", "down")
            },
        )

    def _tensor(self, name: str) -> Tensor:
        if name not in self._tensors:
            tensor = self._source.tensor(name)
            # The embedding is only looked up, so it can stay as short as it is stored.
            self._tensors[name] = tensor if name == EMBEDDING else tensor.float()
        return self._tensors[name]

    def _matrix(self, name: str, members: Sequence[str], wanted: Quantisation) -> WholeLinear:
        key = (name, _precisions(members, wanted))
        if key not in self._matrices:
            self._matrices[key] = _joined([self._source.quantised(member, wanted) for member in members])
        return self._matrices[key]

    def _stack(self, layer: int, part: str, wanted: Quantisation) -> WholeExperts:
        num_experts = self._source.config.n_routed_experts
        names = [f"{prefix(layer)}experts.{expert}.{part}_proj.weight" for expert in range(num_experts)]
        key = (f"{prefix(layer)}{part}", _precisions(names, wanted))
        if key not in self._experts:
            self._experts[key] = self._stacked(names, wanted)
        return self._experts[key]

    def _stacked(self, names: Sequence[str], wanted: Quantisation) -> WholeExperts:
        code = native_code()
        if code is not None and len(set(_precisions(names, wanted))) == 1:
            contents = [self._source.quantised(name, wanted).content for name in names]
            if all(map(is_short, contents)):
                return native_experts(code, contents)
        return self._widened(names, wanted)

    def _widened(self, names: Sequence[str], wanted: Quantisation) -> ExpertWeights:
        values = torch.empty(len(names), *self._source.shapes[names[0]])
        scales: list[Tensor] = []
        is_plain = set(_precisions(names, wanted)) == {"bf16"}
        for expert, name in enumerate(names):
            values[expert], row_scale = _numbers(self._source.quantised(name, wanted), is_plain)
            scales.append(row_scale)
        return ExpertWeights(values, None if is_plain else torch.stack(scales))


def _bytes_of(held: WholeExperts) -> int:
    if isinstance(held, NativeExperts):
        return held.num_bytes
    return held.values.nbytes + (0 if held.scale is None else held.scale.nbytes)


def _maps(names: Sequence[str]) -> dict[str, list[str]]:
    """Every linear map outside the routed experts, with the weights that it is made of."""
    maps: dict[str, list[str]] = {}
    for name in names:
        if is_linear(name) and ".experts." not in name:
            maps.setdefault(_ATTENTION_INPUT.sub(".qkv_proj.", name), []).append(name)
    return maps


def _precisions(names: Sequence[str], wanted: Quantisation) -> tuple[Precision, ...]:
    return tuple(wanted.of(module(name)) for name in names)


def _joined(weights: Sequence[StoredWeight]) -> WholeLinear:
    """Maps of the same input, one above the other."""
    code, contents = native_code(), [weight.content for weight in weights]
    if code is not None and all(map(is_short, contents)):
        return native_linear(code, contents)
    is_plain = all(isinstance(weight.content, Tensor) for weight in weights)
    values, scales = zip(*(_numbers(weight, is_plain) for weight in weights), strict=True)
    return Matrix(torch.cat(values), None if is_plain else torch.cat(scales))


def _numbers(weight: StoredWeight, is_plain: bool) -> tuple[Tensor, Tensor]:
    """Values and the scale of every row; a plain weight beside quantised ones gets a scale too."""
    if isinstance(weight.content, Tensor) and not is_plain:
        values, scale = shifted(weight.content)
        return values, scale.expand(len(values))
    values, own = weight.numbers()
    return values, (torch.ones(()) if own is None else own).expand(len(values))
