"""What does a size cost when it is copied into the fastest layout of a processor without native code?

Native code reads every size where it lies, so its parts are left alone. For others, two bytes a weight for
every size and precision, and more where fbgemm fills the inputs of a matrix up to a multiple of 512. Views
hold four for all sizes of a precision together; in return a forward moves half as much memory.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nemotron_backend.model.matrix import BlockMatrix, Matrix
from nemotron_backend.model.parts import Parts
from nemotron_backend.model.precision import shifted
from nemotron_kernels.grouped_experts import ExpertMaps, ExpertWeights, Visits
from nemotron_kernels.native import NativeExperts, NativeLinear, StackedLinear
from nemotron_kernels.quantised_linear import Linear, prepare


@dataclass(frozen=True, slots=True)
class PackedExperts:
    """A packed map for every expert of a layer; `scale` is [experts, out], or [experts, 1] for equal rows."""

    maps: tuple[Linear, ...]
    scale: Tensor

    @property
    def num_bytes(self) -> int:
        return sum(held.num_bytes for held in self.maps) + self.scale.nbytes

    def map(self, rows: Tensor, visits: Visits) -> Tensor:
        mapped = torch.cat([self.maps[expert](part) for expert, part in visits.each(rows)])
        return mapped.mul_(self.scale[visits.experts])


def pack(parts: Parts) -> Parts:
    """The same parts, every wide matrix copied; vectors and the embedding stay as they are."""
    return Parts(
        tensors=parts.tensors,
        linears={name: _packed(linear) for name, linear in parts.linears.items()},
        experts={name: _packed_experts(held) for name, held in parts.experts.items()},
    )


def packed_bytes(parts: Parts) -> int:
    """Bytes of what `pack` copied."""
    experts = [held for held in parts.experts.values() if isinstance(held, PackedExperts)]
    shared = (NativeLinear, StackedLinear, Matrix, BlockMatrix)
    linears = [linear for linear in parts.linears.values() if not isinstance(linear, shared)]
    return sum(held.num_bytes for held in experts) + sum(linear.num_bytes for linear in linears)


def map_bytes(parts: Parts) -> int:
    """Bytes of all maps, of parts that share them with no others."""
    experts = [held for held in parts.experts.values() if isinstance(held, PackedExperts | NativeExperts)]
    return sum(held.num_bytes for held in experts) + sum(held.num_bytes for held in parts.linears.values())


def _packed(linear: Linear) -> Linear:
    if not isinstance(linear, Matrix | BlockMatrix):
        return linear
    dense = linear.dense()
    values, scale = _scaled(dense.values, dense.scale)
    return prepare(values.contiguous(), scale.contiguous())


def _packed_experts(held: ExpertMaps) -> ExpertMaps:
    if not isinstance(held, ExpertWeights):
        return held
    scales = [None] * len(held.values) if held.scale is None else list(held.scale)
    values, row_scales = zip(*map(_scaled, held.values, scales), strict=True)
    scale = torch.stack(row_scales)
    is_even = bool((scale == scale[:, :1]).all())
    maps = tuple(prepare(own.contiguous(), None) for own in values)
    return PackedExperts(maps, scale[:, :1].clone() if is_even else scale)


def _scaled(values: Tensor, row_scale: Tensor | None) -> tuple[Tensor, Tensor]:
    """Numbers that float16 holds, and the scale of every row."""
    if row_scale is not None:
        return values, row_scale
    values, scale = shifted(values)
    return values, scale.expand(len(values))
