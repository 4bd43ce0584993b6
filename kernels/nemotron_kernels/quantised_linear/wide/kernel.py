# pyright: basic, reportArgumentType=false
"""How does a GPU multiply by BF16 or FP8 weights?

FP8 times 16-bit inputs (W8A16): codes become numbers of the input's type in registers, exactly, on the way
to the tensor cores; memory moves one byte a weight. FP8 times FP8 (W8A8): both go to the tensor cores as
they are. Ampere has no E4M3 type: there codes arrive as bytes, and W8A8 does not exist.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from nemotron_kernels._build import Build, Target
from nemotron_kernels._decode import e4m3_value
from nemotron_kernels.quantised_linear.support import FIRST_WITH_E4M3, capability_of
from nemotron_kernels.quantised_linear.tile.build import BATCH, DECODE, PREFILL, build, tile_of_nano
from nemotron_kernels.quantised_linear.tile.call import Call
from nemotron_kernels.quantised_linear.tile.kernel import limits_of, share_of, store_tile, tile_of


def launch(call: Call, x: Tensor, weight: Tensor, scale: Tensor | None, input_scale: Tensor | None) -> None:
    """Scales multiply the result; without them it is that of the numbers alone."""
    unused = call.target
    _multiply[call.grid](
        x_ptr=x,
        weight_ptr=_readable(weight),
        scale_ptr=unused if scale is None else scale,
        input_scale_ptr=unused if input_scale is None else input_scale,
        stride_x=x.stride(0),
        stride_weight=weight.stride(0),
        HAS_SCALE=scale is not None,
        HAS_INPUT_SCALE=input_scale is not None,
        **call.arguments,
    )


def _readable(weight: Tensor) -> Tensor:
    """E4M3 as bytes where the GPU has no such type."""
    capability = capability_of(weight)
    lacks_type = capability is not None and capability < FIRST_WITH_E4M3
    return weight.view(torch.uint8) if lacks_type and weight.dtype == torch.float8_e4m3fn else weight


@triton.jit
def _multiply(
    x_ptr, weight_ptr, scale_ptr, input_scale_ptr, limits_ptr, target_ptr,
    num_tokens, num_rows, num_columns, steps, stride_x, stride_weight, stride_split, stride_target,
    HAS_SCALE: tl.constexpr, HAS_INPUT_SCALE: tl.constexpr, HAS_LIMITS: tl.constexpr,
    INTERPRETED: tl.constexpr, STEP: tl.constexpr,
    BLOCK_T: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    UNIT: tl.constexpr = min(STEP, 16)
    token, row = tile_of(num_tokens, num_rows, BLOCK_T, BLOCK_R)
    rows, units = limits_of(limits_ptr, token, num_tokens, num_rows, num_columns, HAS_LIMITS, UNIT)
    first, last, num_read = share_of(
        rows, units, tl.min(row, axis=0), steps, HAS_LIMITS, UNIT, STEP, BLOCK_C
    )  # fmt: skip
    column = tl.arange(0, BLOCK_C)
    x_at = x_ptr + token[None, :].to(tl.int64) * stride_x + column[:, None]  # [BLOCK_C, BLOCK_T]
    weight_at = weight_ptr + row[:, None].to(tl.int64) * stride_weight + column[None, :]  # [BLOCK_R, BLOCK_C]

    # total[r, t] = sum over c of W[r, c] x[t, c]
    total = tl.zeros((BLOCK_R, BLOCK_T), tl.float32)
    for step in range(first, last):
        start = step * BLOCK_C
        x = tl.load(x_at + start, mask=(column + start)[:, None] < (units * UNIT)[None, :], other=0.0)
        inside = (row[:, None] < num_rows) & ((column + start)[None, :] < num_read * STEP)
        weight = tl.load(weight_at + start, mask=inside, other=0.0)
        if weight.dtype == tl.uint8:
            weight = e4m3_value(weight)
        elif weight.dtype != x.dtype:
            # Straight to bfloat16 the compiler converts one number at a time (F2F), through float32 two.
            weight = weight.to(tl.float32)
        weight = weight.to(x.dtype)
        if INTERPRETED:  # its bfloat16 product is wrong
            weight, x = weight.to(tl.float32), x.to(tl.float32)
        # Hopper sums FP8 products to some 14 bits; each block's sum is added in float32 instead.
        total = tl.dot(weight, x, total, input_precision="ieee", max_num_imprecise_acc=BLOCK_C)
    if HAS_SCALE:
        total *= tl.load(scale_ptr)
    if HAS_INPUT_SCALE:
        total *= tl.load(input_scale_ptr)
    store_tile(total, target_ptr, token, row, rows, num_tokens, num_rows, stride_split, stride_target)


_NO_E4M3: dict[Target, str] = {"sm_80": "Ampere has no E4M3 type; W8A16 reads bytes there"}
_FP8_MMA: dict[Target, str] = {"sm_90": "QGMMA", "sm_100": "UTCQMMA", "sm_120": "QMMA"}


def _build(name: str, num_tokens: int, x: str, weight: str, **others: Any) -> Build:
    pointers = {"x_ptr": x, "weight_ptr": weight, "scale_ptr": "*fp32", "input_scale_ptr": "*fp32"}
    tile = tile_of_nano(num_tokens, 16 if weight == "*bf16" else 8)
    constants = {"HAS_SCALE": weight != "*bf16", "HAS_INPUT_SCALE": x == "*fp8e4nv"}
    constants["HAS_LIMITS"] = others.pop("has_limits", False)
    return build(name, _multiply, tile, pointers, constants, strides=("stride_x", "stride_weight"), **others)


BUILDS = (
    _build("bf16_decode", DECODE, "*bf16", "*bf16"),
    _build("bf16_prefill", PREFILL, "*bf16", "*bf16"),
    _build("bf16_decode_mixed_sizes", DECODE, "*bf16", "*bf16", has_limits=True),
    _build("w8a16_decode", DECODE, "*bf16", "*fp8e4nv", unsupported=_NO_E4M3),
    _build("w8a16_decode_bytes", DECODE, "*bf16", "*u8"),
    _build("w8a16_batch", BATCH, "*bf16", "*fp8e4nv", unsupported=_NO_E4M3),
    _build("w8a16_prefill", PREFILL, "*bf16", "*fp8e4nv", unsupported=_NO_E4M3),
    _build("w8a8_decode", DECODE, "*fp8e4nv", "*fp8e4nv", instructions=_FP8_MMA, unsupported=_NO_E4M3),
    _build("w8a8_prefill", PREFILL, "*fp8e4nv", "*fp8e4nv", instructions=_FP8_MMA, unsupported=_NO_E4M3),
)
