"""What is a hybrid network made of, and what does a nested size see of it?

The whole network is read once. A nested size holds strips of the same tensors: matrices and experts are
views, and only short vectors that lose Mamba heads inside each group are copied.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from nemotron_backend.model.cuts import Cuts, Strips
from nemotron_backend.model.matrix import Matrix
from nemotron_backend.model.stored_weight import cut_tensor
from nemotron_kernels.grouped_experts import ExpertMaps, ExpertWeights
from nemotron_kernels.native import NativeExperts, NativeLinear, StackedLinear
from nemotron_kernels.native.weight import Span
from nemotron_kernels.quantised_linear import Linear

WholeLinear = Matrix | NativeLinear | StackedLinear
WholeExperts = ExpertWeights | NativeExperts


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that a network reads, by the name in a checkpoint.

    `qkv_proj` stands for three projections at once, and `experts.*` for all experts of a layer.
    """

    tensors: Mapping[str, Tensor]
    linears: Mapping[str, Linear]
    experts: Mapping[str, ExpertMaps]


@dataclass(frozen=True, slots=True)
class WholeParts:
    """The parts of the largest network, which every size looks at."""

    tensors: Mapping[str, Tensor]
    matrices: Mapping[str, WholeLinear]
    experts: Mapping[str, WholeExperts]

    def cut(self, cuts: Cuts) -> Parts:
        """The parts of a nested size."""
        return Parts(
            tensors={name: cut_tensor(tensor, cuts.of(name)) for name, tensor in self.tensors.items()},
            linears={name: _cut_linear(name, held, cuts) for name, held in self.matrices.items()},
            experts={name: _cut_experts(name, held, cuts) for name, held in self.experts.items()},
        )

    def whole(self) -> Parts:
        """All of it."""
        return Parts(tensors=self.tensors, linears=self.matrices, experts=self.experts)


def _cut_linear(name: str, held: WholeLinear, cuts: Cuts) -> Linear:
    rows, columns = cuts.of(name)
    if isinstance(held, Matrix):
        return held.cut(rows, columns)
    return held.cut(_spans(rows), _spans(columns))


def _cut_experts(name: str, held: WholeExperts, cuts: Cuts) -> WholeExperts:
    experts, (rows, columns) = cuts.axis("expert"), cuts.of(name)
    if isinstance(held, NativeExperts):
        return held.cut(*(_prefix(strips) for strips in (experts, rows, columns)))
    return ExpertWeights(
        cut_tensor(held.values, (experts, rows, columns)),
        None if held.scale is None else cut_tensor(held.scale, (experts, rows)),
    )


def _spans(strips: Strips | None) -> list[Span] | None:
    return None if strips is None else [(strip.start, strip.stop) for strip in strips]


def _prefix(strips: Strips | None) -> int:
    """How far an axis is kept that is never cut otherwise."""
    assert strips is not None
    (prefix,) = strips
    return prefix.stop
