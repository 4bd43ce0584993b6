"""How is a linear map held so that a nested size can look at part of it?

Plain float32 tensors with strides: a prefix of rows and columns is another tensor over the same memory,
and BLAS multiplies by it where it lies. The price is four bytes a weight in memory and in traffic, in
every precision; fbgemm's float16 layout takes two but cannot be looked into, so it costs a copy a size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from nemotron_backend.model.cuts import Strips


@dataclass(frozen=True, slots=True)
class Matrix:
    """A Linear: row o is values[o] times scale[o]; without a scale the values are the weights."""

    values: Tensor
    scale: Tensor | None = None

    @property
    def num_bytes(self) -> int:
        return self.values.nbytes + (0 if self.scale is None else self.scale.nbytes)

    def __call__(self, rows: Tensor) -> Tensor:
        mapped = F.linear(rows, self.values)
        return mapped if self.scale is None else mapped * self.scale

    def cut(self, rows: Strips | None, columns: Strips | None) -> "Matrix | BlockMatrix":
        """The map between those strips of its outputs and inputs, over the same memory."""
        kept_rows = [strip.positions for strip in rows] if rows else [slice(None)]
        kept_columns = [strip.positions for strip in columns] if columns else [slice(None)]
        grid = tuple(tuple(self._part(row, column) for column in kept_columns) for row in kept_rows)
        return grid[0][0] if len(grid) == len(grid[0]) == 1 else BlockMatrix(grid)

    def dense(self) -> "Matrix":
        """The map itself, whose rows and columns are all its own."""
        return self

    def _part(self, rows: slice, columns: slice) -> "Matrix":
        return Matrix(self.values[rows, columns], None if self.scale is None else self.scale[rows])


@dataclass(frozen=True, slots=True)
class BlockMatrix:
    """A Linear made of strips: outputs lie end to end, and each sums over the strips of the input."""

    grid: tuple[tuple[Matrix, ...], ...]

    @property
    def num_bytes(self) -> int:
        return sum(block.num_bytes for row in self.grid for block in row)

    def __call__(self, rows: Tensor) -> Tensor:
        inputs = torch.split(rows, [block.values.shape[1] for block in self.grid[0]], dim=-1)
        outputs = [
            torch.stack([block(part) for block, part in zip(row, inputs, strict=True)]).sum(dim=0)
            for row in self.grid
        ]
        return torch.cat(outputs, dim=-1)

    def dense(self) -> Matrix:
        """A copy as one matrix."""
        values = torch.cat([torch.cat([block.values for block in row], dim=1) for row in self.grid])
        scales = [row[0].scale for row in self.grid if row[0].scale is not None]
        return Matrix(values, torch.cat(scales) if scales else None)
