"""Which tile suits a product?"""

from dataclasses import dataclass
from math import ceil

# Of an H100. Programs spread evenly, so that the busiest multiprocessor decides how long all take.
_MULTIPROCESSORS = 132
# Split no further once so much of their time is used: adding up is a second launch.
_BUSY = 0.8
# A share of fewer steps would spend its time on filling the pipeline.
_STEPS = 4

ROWS, BLOCK_SCALED_ROWS = 64, 128
"""Rows of the smallest product on Hopper's tensor cores, and on Blackwell's with block scales."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Sizes of one program's work, and over how many programs the columns are split."""

    tokens: int
    rows: int
    columns: int
    num_warps: int = 4
    num_stages: int = 4
    splits: int = 1


FLOAT32 = Tile(16, ROWS, 32, num_stages=2)
"""For inputs of 32 bits, which no tensor core multiplies exactly: they serve comparisons."""


def tile_for(num_tokens: int, num_rows: int, num_columns: int, bits: int, rows: int = ROWS) -> Tile:
    """When tokens are few, 128 bytes of a row of weights of so many bits; else 128 x 128 outputs."""
    if num_tokens > 64:
        return Tile(128, 128, 128 if rows == BLOCK_SCALED_ROWS else 64, num_warps=8, num_stages=3)
    is_short = num_tokens <= 16
    # Inputs of 64 tokens take the room that 256 columns would need.
    columns = min(128 * 8 // bits, 256 if is_short else 128)
    splits = splits_for(-(-num_rows // rows), -(-num_columns // columns))
    return Tile(16 if is_short else 64, rows, columns, splits=splits)


def splits_for(num_programs: int, num_steps: int) -> int:
    """The fewest shares of the columns that keep a GPU busy, as far as each has steps enough."""

    def busy(splits: int) -> float:
        rounds = num_programs * splits / _MULTIPROCESSORS
        return rounds / ceil(rounds)

    possible = range(1, max(1, num_steps // _STEPS) + 1)
    return next((splits for splits in possible if busy(splits) >= _BUSY), max(possible, key=busy))
