"""What does a linear layer of a nested size compute?"""

from dataclasses import replace

from torch import Tensor

from nemotron_kernels.fp8.reference import Fp8Weight
from nemotron_kernels.nvfp4.reference import BLOCK, Nvfp4Weight
from nemotron_kernels.quantised_linear.reference import Weight, linear, shape_of


def prefix(weight: Weight, rows: int, columns: int) -> Weight:
    """A view of the first rows and columns. Raises ValueError where there are not so many to cut."""
    of_rows, of_columns = shape_of(weight)
    if not (0 <= rows <= of_rows and 0 <= columns <= of_columns):
        raise ValueError(f"a prefix of {rows} x {columns} does not lie in {of_rows} x {of_columns}")
    match weight:
        case Fp8Weight():
            return replace(weight, weight=weight.weight[:rows, :columns])
        case Nvfp4Weight():
            return _cut_blocks(weight, rows, columns)
        case Tensor():
            return weight[:rows, :columns]


def mixed_linear(x: Tensor, weight: Weight, limits: Tensor, input_scale: Tensor | None = None) -> Tensor:
    """Each token under its own limits, and zeros beyond its rows."""
    out = x.new_zeros(len(x), shape_of(weight)[0])
    for rows, columns in dict.fromkeys(map(tuple, limits.tolist())):
        are_here = (limits[:, 0] == rows) & (limits[:, 1] == columns)
        out[are_here, :rows] = linear(x[are_here, :columns], prefix(weight, rows, columns), input_scale)
    return out


def _cut_blocks(weight: Nvfp4Weight, rows: int, columns: int) -> Nvfp4Weight:
    if columns % BLOCK:
        raise ValueError(f"NVFP4 is cut between blocks of {BLOCK} columns, not at {columns}")
    return replace(
        weight,
        weight=weight.weight[:rows, : columns // 2],
        weight_scale=weight.weight_scale[:rows, : columns // BLOCK],
    )
