"""How are experts' maps handed to a kernel, and in which tiles does it take them?"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nemotron_kernels._choice import is_interpreted
from nemotron_kernels.grouped_experts.reference import ExpertWeights, Nvfp4Experts
from nemotron_kernels.quantised_linear.four_bit.kernel import pairs_of

Held = ExpertWeights | Nvfp4Experts

_KINDS = {torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16"}


@dataclass(frozen=True, slots=True)
class Map:
    """A map as its kernel's arguments: weights, block scales and row scales, with two strides of each."""

    pointers: tuple[Tensor, Tensor, Tensor | None]
    strides: tuple[int, ...]
    num_rows: int
    num_columns: int
    format: str

    def read(self, rows: Tensor) -> Tensor:
        """Rows as the kernel reads them: two numbers as one integer, where one byte holds two weights."""
        return pairs_of(rows) if self.format == "nvfp4" else rows

    def constants(self, dtype: torch.dtype) -> dict[str, Any]:
        """What the kernel is compiled for, with rows of this type."""
        return {
            "HAS_SCALE": self.pointers[2] is not None,
            "FORMAT": self.format,
            "KIND": _KINDS[dtype],
            "INTERPRETED": is_interpreted(),
        }


def arguments(held: Held) -> Map:
    """What a kernel reads of these maps."""
    if isinstance(held, Nvfp4Experts):
        weight, block_scale, scale = held.weight, held.weight_scale.view(torch.uint8), held.weight_scale_2
        strides = (*weight.stride()[:2], *block_scale.stride()[:2], scale.stride(0), 0)
        return Map((weight, block_scale, scale), strides, weight.shape[1], 2 * weight.shape[2], "nvfp4")
    is_fp8 = held.values.dtype == torch.float8_e4m3fn
    codes = held.values.view(torch.uint8) if is_fp8 else held.values
    strides = (*codes.stride()[:2], 0, 0, *((0, 0) if held.scale is None else held.scale.stride()))
    form = "fp8" if is_fp8 else "plain"
    # Without block scales their pointer is never read, and must still be one.
    return Map((codes, codes, held.scale), strides, codes.shape[1], codes.shape[2], form)


def config_for(rows_per_expert: int) -> dict[str, int]:
    """Tiles for the rows that an expert gets on average.

    Few rows leave most of a tile empty, and all the work is to read weights: many bytes in flight, one row of
    tensor cores. Many rows are work for the cores: more of them share the weights that were read.
    """
    if rows_per_expert < 32:
        return {"TILE": 16, "BLOCK_N": 64, "BLOCK_K": 128, "num_warps": 4, "num_stages": 4}
    return {"TILE": 64, "BLOCK_N": 128, "BLOCK_K": 64, "num_warps": 4, "num_stages": 3}


def wide(dtype: torch.dtype) -> torch.dtype:
    """What holds a hidden value: float16 overflows at the square of 256."""
    return torch.float32 if dtype == torch.float16 else dtype
