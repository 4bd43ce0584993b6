"""What is a hybrid network made of, and what does a nested size see of it?

The whole network is read once. A nested size holds strips of the same tensors: matrices and experts are
views, and only short vectors that lose Mamba heads inside each group are copied.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from nemotron_backend.model.cuts import Cuts
from nemotron_backend.model.matrix import Matrix
from nemotron_backend.model.stored_weight import cut_tensor
from nemotron_kernels.grouped_experts import ExpertMaps, ExpertWeights
from nemotron_kernels.quantised_linear import Linear


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
    matrices: Mapping[str, Matrix]
    experts: Mapping[str, ExpertWeights]

    def cut(self, cuts: Cuts) -> Parts:
        """The parts of a nested size."""
        return Parts(
            tensors={name: cut_tensor(tensor, cuts.of(name)) for name, tensor in self.tensors.items()},
            linears={name: matrix.cut(*cuts.of(name)) for name, matrix in self.matrices.items()},
            experts={name: _cut_experts(name, held, cuts) for name, held in self.experts.items()},
        )

    def whole(self) -> Parts:
        """All of it."""
        return Parts(tensors=self.tensors, linears=self.matrices, experts=self.experts)


def _cut_experts(name: str, held: ExpertWeights, cuts: Cuts) -> ExpertWeights:
    experts, (rows, columns) = cuts.axis("expert"), cuts.of(name)
    return ExpertWeights(
        cut_tensor(held.values, (experts, rows, columns)),
        None if held.scale is None else cut_tensor(held.scale, (experts, rows)),
    )
