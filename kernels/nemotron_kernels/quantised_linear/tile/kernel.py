# pyright: basic, reportArgumentType=false
"""Which outputs are a program's, over which columns does it sum, and where do the sums go?

A token's limits are how many rows and columns of the weight its size has. What lies beyond them counts as
zero, and a program stops at the widest of its tokens, so that tokens of all sizes share one launch and one
reading of the weight.
"""

import triton
import triton.language as tl
from torch import Tensor

from nemotron_kernels._build import Build

_BLOCK = 256


def add_splits(partial: Tensor, out: Tensor) -> None:
    """`out` [tokens, rows] is the sum of `partial` [splits, tokens, rows], always in the same order."""
    splits, num_tokens, num_rows = partial.shape
    _add_splits[(num_tokens, triton.cdiv(num_rows, _BLOCK))](
        partial, out, num_rows, splits, partial.stride(0), partial.stride(1), out.stride(0), BLOCK=_BLOCK
    )


@triton.jit
def tile_of(num_tokens, num_rows, BLOCK_T: tl.constexpr, BLOCK_R: tl.constexpr):
    """Tokens and rows of this program. Programs near in time form a square, so that caches serve both."""
    tiles_t, tiles_r = tl.cdiv(num_tokens, BLOCK_T), tl.cdiv(num_rows, BLOCK_R)
    place = tl.program_id(0)
    tile_t, tile_r = tl.swizzle2d(place // tiles_r, place % tiles_r, tiles_t, tiles_r, 8)
    return tile_t * BLOCK_T + tl.arange(0, BLOCK_T), tile_r * BLOCK_R + tl.arange(0, BLOCK_R)


@triton.jit
def limits_of(
    limits_ptr, token, num_tokens, num_rows, num_columns, HAS_LIMITS: tl.constexpr, UNIT: tl.constexpr
):  # fmt: skip
    """How many rows, and how many times UNIT columns, each token has; none if there is no such token.

    Columns are counted in units because the compiler reads several at once only where it knows that a limit
    does not cut them.
    """
    is_token = token < num_tokens
    if HAS_LIMITS:
        rows = tl.load(limits_ptr + 2 * token, mask=is_token, other=0)
        columns = tl.load(limits_ptr + 2 * token + 1, mask=is_token, other=0)
        return tl.minimum(rows, num_rows), tl.minimum(columns, num_columns) // UNIT
    return tl.where(is_token, num_rows, 0), tl.where(is_token, num_columns // UNIT, 0)


@triton.jit
def share_of(
    rows, units, first_row, steps, HAS_LIMITS: tl.constexpr,
    UNIT: tl.constexpr, STEP: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """First and last block of columns of this split, and how many times STEP columns are read in all."""
    num_read = tl.cdiv(tl.max(units, axis=0) * UNIT, STEP)
    first = tl.program_id(1) * steps
    last = tl.minimum(first + steps, tl.cdiv(num_read * STEP, BLOCK_C))
    if HAS_LIMITS:
        last = tl.where(tl.max(rows, axis=0) > first_row, last, first)
    return first, last, num_read


@triton.jit
def store_tile(total, target_ptr, token, row, rows, num_tokens, num_rows, stride_split, stride_target):
    """Store [BLOCK_R, BLOCK_T] transposed; rows beyond a token's limit are zero."""
    total = tl.where(row[:, None] < rows[None, :], total, 0.0)
    target = (
        target_ptr
        + tl.program_id(1).to(tl.int64) * stride_split
        + token[None, :].to(tl.int64) * stride_target
    )
    inside = (row[:, None] < num_rows) & (token[None, :] < num_tokens)
    tl.store(target + row[:, None], total, mask=inside)


@triton.jit
def _add_splits(
    partial_ptr, out_ptr, num_rows, splits, stride_split, stride_token, stride_out, BLOCK: tl.constexpr
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64)
    row = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)  # [BLOCK]
    source = partial_ptr + token * stride_token + row
    total = tl.zeros((BLOCK,), tl.float32)
    for split in range(splits):
        total += tl.load(source + split * stride_split, mask=row < num_rows, other=0.0)
    tl.store(out_ptr + token * stride_out + row, total, mask=row < num_rows)


BUILDS = (
    Build(
        "add_splits",
        _add_splits,
        {"partial_ptr": "*fp32", "out_ptr": "*bf16", "num_rows": "i32", "splits": "i32"}
        | {"stride_split": "i32", "stride_token": "i32", "stride_out": "i32"},
        {"BLOCK": _BLOCK},
        divisible=("num_rows", "stride_split", "stride_token", "stride_out"),
    ),
)
