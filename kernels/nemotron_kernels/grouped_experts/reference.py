"""What is the sum over experts, in plain torch?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from nemotron_kernels.nvfp4 import BLOCK, Nvfp4Weight, dequantise
from nemotron_kernels.router import Routing


@dataclass(frozen=True, slots=True)
class Visits:
    """Which expert each of some rows visits: ascending, as numbers [rows] and as (expert, rows) runs."""

    experts: Tensor
    runs: Sequence[tuple[int, int]]

    def each(self, rows: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Every expert that is visited, with its rows."""
        parts = rows.split_with_sizes([count for _, count in self.runs])
        return zip((expert for expert, _ in self.runs), parts, strict=True)


class ExpertMaps(Protocol):
    """One linear map an expert."""

    def map(self, rows: Tensor, visits: Visits) -> Tensor:
        """Send every row through the expert that it visits."""
        ...


@dataclass(frozen=True, slots=True)
class ExpertWeights:
    """Maps held together: `values` [experts, out, in], `scale` float32 [experts, out].

    The values may be of any float type, E4M3 included.
    """

    values: Tensor
    scale: Tensor | None = None

    def map(self, rows: Tensor, visits: Visits) -> Tensor:
        mapped = torch.cat(
            [F.linear(part, self.values[expert].to(part.dtype)) for expert, part in visits.each(rows)]
        )
        return mapped if self.scale is None else mapped * self.scale[visits.experts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Nvfp4Experts:
    """Maps in NVFP4: `weight` uint8 [experts, out, in / 2] and its scales.

    `weight_scale` is float8_e4m3fn [experts, out, in / 16], `weight_scale_2` float32 [experts].
    """

    weight: Tensor
    weight_scale: Tensor
    weight_scale_2: Tensor

    def map(self, rows: Tensor, visits: Visits) -> Tensor:
        return torch.cat(
            [F.linear(part, self._one(expert).to(part.dtype)) for expert, part in visits.each(rows)]
        )

    def cut(self, experts: int, outputs: int, inputs: int) -> "Nvfp4Experts":
        """A nested size's maps, where they lie; 16 must divide `inputs`."""
        return Nvfp4Experts(
            weight=self.weight[:experts, :outputs, : inputs // 2],
            weight_scale=self.weight_scale[:experts, :outputs, : inputs // BLOCK],
            weight_scale_2=self.weight_scale_2[:experts],
        )

    def _one(self, expert: int) -> Tensor:
        return dequantise(
            Nvfp4Weight(
                weight=self.weight[expert],
                weight_scale=self.weight_scale[expert],
                weight_scale_2=self.weight_scale_2[expert],
            )
        )


def grouped_experts(x: Tensor, routing: Routing, up: ExpertMaps, down: ExpertMaps) -> Tensor:
    """Send `x` [tokens, in] through its experts; the sum runs in the order of the experts."""
    experts, order = routing.experts.flatten().sort(stable=True)
    visits = Visits(experts, [(expert, len(list(run))) for expert, run in groupby(experts.tolist())])
    tokens, weights = order // routing.experts.shape[1], routing.weights.flatten()[order, None]
    exact = x.to(torch.promote_types(x.dtype, torch.float32))
    rows = exact.expand(len(order), -1) if len(x) == 1 else exact[tokens]
    wide = F.relu(up.map(rows, visits)).square() * weights
    return torch.zeros_like(exact).index_add_(0, tokens, down.map(wide, visits)).to(x.dtype)
