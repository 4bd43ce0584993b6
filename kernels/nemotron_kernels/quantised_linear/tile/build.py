"""Under which constants are the kernels of linear layers compiled?

Decoding is at most 16 tokens by Nano's in_proj, 10304 x 2688, and its experts, 1856 x 2688: sizes are
arguments, so that only their divisibility is compiled in. Super's layers have the same.
"""

from collections.abc import Mapping
from typing import Any

from nemotron_kernels._build import Build, Target
from nemotron_kernels.quantised_linear.tile.shape import ROWS, Tile, tile_for

_SIZES = ("num_tokens", "num_rows", "num_columns", "steps", "stride_split", "stride_target")
_ODD = {"num_tokens", "steps", "stride_scale", "stride_x_scale"}
"""No multiples of 16 in real calls: a row of Nano has 168 block scales."""

DECODE, BATCH, PREFILL = 16, 64, 8192
MMA: Mapping[Target, str] = {"sm_80": "HMMA", "sm_90": "HGMMA", "sm_100": "UTCHMMA", "sm_120": "HMMA"}


def tile_of_nano(num_tokens: int, bits: int, rows: int = ROWS) -> Tile:
    return tile_for(num_tokens, 10304, 2688, bits, rows)


def build(
    name: str,
    kernel: Any,
    tile: Tile,
    pointers: Mapping[str, str],
    constants: Mapping[str, Any],
    *,
    strides: tuple[str, ...],
    instructions: Mapping[Target, str] = MMA,
    unsupported: Mapping[Target, str] | None = None,
) -> Build:
    """One kernel at one tile; what all of them take is filled in."""
    sizes = (*_SIZES, *strides)
    blocks = {"BLOCK_T": tile.tokens, "BLOCK_R": tile.rows, "BLOCK_C": tile.columns}
    return Build(
        name,
        kernel,
        {"limits_ptr": "*i32", "target_ptr": "*bf16", **pointers, **dict.fromkeys(sizes, "i32")},
        {"INTERPRETED": False, "HAS_LIMITS": False, "STEP": 64, **blocks, **constants},
        num_warps=tile.num_warps,
        num_stages=tile.num_stages,
        divisible=tuple(size for size in sizes if size not in _ODD),
        instructions=instructions,
        unsupported=unsupported or {},
    )
