"""What is the sum over experts, in plain torch?"""

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from nemotron_kernels.router import Routing


class ExpertMaps(Protocol):
    """One linear map an expert."""

    def apply(self, expert: int, rows: Tensor) -> Tensor:
        """Map the `rows` of one expert."""
        ...


@dataclass(frozen=True, slots=True)
class ExpertWeights:
    """Maps held together: `values` float32 [experts, out, in], `scale` float32 [experts, out]."""

    values: Tensor
    scale: Tensor | None = None

    def apply(self, expert: int, rows: Tensor) -> Tensor:
        mapped = F.linear(rows, self.values[expert])
        return mapped if self.scale is None else mapped * self.scale[expert]


def grouped_experts(x: Tensor, routing: Routing, up: ExpertMaps, down: ExpertMaps) -> Tensor:
    """Send `x` [tokens, in] through its experts; the sum runs in the order of the experts."""
    num_chosen = routing.experts.shape[1]
    experts, order = routing.experts.flatten().sort(stable=True)
    tokens, weights = order // num_chosen, routing.weights.flatten()[order, None]
    result = torch.zeros_like(x)
    start = 0
    for expert, count in zip(*_counts(experts), strict=True):
        rows = slice(start, start + count)
        wide = F.relu(up.apply(expert, x[tokens[rows]])).square()
        result.index_add_(0, tokens[rows], down.apply(expert, wide) * weights[rows])
        start += count
    return result


def _counts(experts: Tensor) -> tuple[list[int], list[int]]:
    """The experts that are visited, in order, and how often each is."""
    visited, counts = torch.unique_consecutive(experts, return_counts=True)
    return visited.tolist(), counts.tolist()
