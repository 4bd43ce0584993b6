"""What does a size cost when it is copied into the processor's fastest layout?

Two bytes a weight for every size and precision, where views hold four for all sizes of a precision
together; in return a forward moves half as much memory.
"""

from dataclasses import dataclass

from torch import Tensor

from nemotron_backend.model.matrix import BlockMatrix, Matrix
from nemotron_backend.model.parts import Parts
from nemotron_backend.model.precision import shifted
from nemotron_kernels.grouped_experts import ExpertMaps, ExpertWeights
from nemotron_kernels.quantised_linear import Linear, prepare


@dataclass(frozen=True, slots=True)
class PackedExperts:
    """A packed map for every expert of a layer."""

    maps: tuple[Linear, ...]

    @property
    def num_bytes(self) -> int:
        return sum(held.num_bytes for held in self.maps)

    def apply(self, expert: int, rows: Tensor) -> Tensor:
        return self.maps[expert](rows)


def pack(parts: Parts) -> Parts:
    """The same parts, every matrix copied; vectors and the embedding stay as they are."""
    return Parts(
        tensors=parts.tensors,
        linears={name: _packed(linear) for name, linear in parts.linears.items()},
        experts={name: _packed_experts(held) for name, held in parts.experts.items()},
    )


def packed_bytes(parts: Parts) -> int:
    """Bytes of what `pack` copied."""
    experts = [held.num_bytes for held in parts.experts.values() if isinstance(held, PackedExperts)]
    return sum(experts) + sum(linear.num_bytes for linear in parts.linears.values())


def _packed(linear: Linear) -> Linear:
    if not isinstance(linear, Matrix | BlockMatrix):
        return linear
    dense = linear.dense()
    return _prepared(dense.values, dense.scale)


def _packed_experts(held: ExpertMaps) -> ExpertMaps:
    if not isinstance(held, ExpertWeights):
        return held
    scales = [None] * len(held.values) if held.scale is None else list(held.scale)
    return PackedExperts(tuple(_prepared(*pair) for pair in zip(held.values, scales, strict=True)))


def _prepared(values: Tensor, row_scale: Tensor | None) -> Linear:
    if row_scale is None:
        values, scale = shifted(values)
        row_scale = scale.expand(len(values))
    return prepare(values.contiguous(), row_scale.contiguous())
