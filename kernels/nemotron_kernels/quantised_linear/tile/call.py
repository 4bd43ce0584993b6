"""What is the same for every kernel of a linear layer?"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from nemotron_kernels._choice import is_interpreted
from nemotron_kernels.quantised_linear.tile.shape import Tile


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`target` [splits, tokens, rows] takes each split's sum."""

    num_columns: int
    limits: Tensor | None
    target: Tensor
    tile: Tile

    @property
    def grid(self) -> tuple[int, int]:
        splits, num_tokens, num_rows = self.target.shape
        return -(-num_tokens // self.tile.tokens) * -(-num_rows // self.tile.rows), splits

    @property
    def step(self) -> int:
        """How many columns are there or not there together; real layers have multiples of 64."""
        return next(step for step in (64, 16, 1) if self.num_columns % step == 0)

    @property
    def arguments(self) -> dict[str, Any]:
        _, num_tokens, num_rows = self.target.shape
        blocks = -(-self.num_columns // self.tile.columns)
        return {
            "limits_ptr": self.target if self.limits is None else self.limits,
            "target_ptr": self.target,
            "num_tokens": num_tokens,
            "num_rows": num_rows,
            "num_columns": self.num_columns,
            "steps": -(-blocks // self.tile.splits),
            "stride_split": self.target.stride(0),
            "stride_target": self.target.stride(1),
            "HAS_LIMITS": self.limits is not None,
            "INTERPRETED": is_interpreted(),
            "STEP": self.step,
            "BLOCK_T": self.tile.tokens,
            "BLOCK_R": self.tile.rows,
            "BLOCK_C": self.tile.columns,
            "num_warps": self.tile.num_warps,
            "num_stages": self.tile.num_stages,
        }
