"""Which tile suits a product?"""

from dataclasses import dataclass

# Programs that keep 132 multiprocessors busy: two on each, so that one loads while the other multiplies.
_PROGRAMS = 264
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
    columns = 128 * 8 // bits
    programs = -(-num_rows // rows)
    splits = max(1, min(_PROGRAMS // programs, num_columns // (_STEPS * columns)))
    return Tile(16 if num_tokens <= 16 else 64, rows, columns, splits=splits)
