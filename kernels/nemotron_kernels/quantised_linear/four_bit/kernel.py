# pyright: basic, reportArgumentType=false
"""How does a GPU multiply 16-bit inputs by NVFP4 weights?

Even and odd columns are multiplied apart, as a byte holds one of each: the two halves of the bytes become two
operands without their codes being interleaved, and inputs are read two at a time. Codes times block scales
are exact in either 16-bit type, so nothing is rounded before the float32 sums; float32 inputs take the same
way in float32.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from nemotron_kernels._build import Build
from nemotron_kernels._decode import e2m1_value, e4m3_value
from nemotron_kernels.nvfp4.reference import Nvfp4Weight
from nemotron_kernels.quantised_linear.four_bit.assembly import LEFT, SCALE_FACTORS, two_bytes
from nemotron_kernels.quantised_linear.tile.build import BATCH, DECODE, PREFILL, build, tile_of_nano
from nemotron_kernels.quantised_linear.tile.call import Call
from nemotron_kernels.quantised_linear.tile.kernel import limits_of, share_of, store_tile, tile_of

_TWO_BYTES_F16, _TWO_BYTES_BF16 = tl.constexpr(two_bytes("f16")), tl.constexpr(two_bytes("bf16"))
_FACTOR_F16, _FACTOR_BF16 = tl.constexpr(SCALE_FACTORS["f16"]), tl.constexpr(SCALE_FACTORS["bf16"])
_LEFT = tl.constexpr(LEFT)


def launch(call: Call, x: Tensor, weight: Nvfp4Weight) -> None:
    pairs = pairs_of(x)
    _multiply[call.grid](
        pair_ptr=pairs,
        code_ptr=weight.weight,
        scale_ptr=weight.weight_scale.view(torch.uint8),
        scale_2_ptr=weight.weight_scale_2,
        stride_pair=pairs.stride(0),
        stride_code=weight.weight.stride(0),
        stride_scale=weight.weight_scale.stride(0),
        KIND={torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16"}[x.dtype],
        **call.arguments | {"STEP": _step(call, weight.weight_scale)},
    )


def _step(call: Call, scales: Tensor) -> int:
    """Four scales are read at once where every row of them begins at a multiple of four bytes."""
    return call.step if scales.stride(0) % 4 == 0 else 16


def pairs_of(x: Tensor) -> Tensor:
    """Two numbers as one integer; a slice that begins or steps at odd places is copied."""
    if x.stride(0) % 2 or x.storage_offset() % 2:
        x = x.clone(memory_format=torch.contiguous_format)
    return x.view(torch.int64 if x.dtype == torch.float32 else torch.int32)


# Of branches on constants Triton compiles what stands behind them as well, so each ends in an `else`.


@triton.jit
def halves(pairs, KIND: tl.constexpr):
    """The even columns' numbers, in the low half, and the odd ones'."""
    if KIND == "f32":
        even, odd = (pairs & 0xFFFFFFFF).to(tl.uint32), (pairs >> 32).to(tl.int32)
        return even.to(tl.float32, bitcast=True), odd.to(tl.float32, bitcast=True)
    else:  # noqa: RET505
        number: tl.constexpr = tl.float16 if KIND == "f16" else tl.bfloat16
        even, odd = (pairs & 0xFFFF).to(tl.uint16), (pairs >> 16).to(tl.int16)
        return even.to(number, bitcast=True), odd.to(number, bitcast=True)


@triton.jit
def scaled_codes(codes, scales, KIND: tl.constexpr, INTERPRETED: tl.constexpr):
    """Codes times block scales times 2^-8, of the even and of the odd columns, [BLOCK_R, BLOCK_C / 2]."""
    if INTERPRETED or KIND == "f32":
        factors = _spread(e4m3_value(scales) * (1.0 / _LEFT), codes)
        return e2m1_value(codes) * factors, e2m1_value(codes >> 4) * factors
    elif KIND == "f16":  # noqa: RET505
        factors = _spread((_small(scales) * (256.0 * _FACTOR_F16)).to(tl.float16), codes)
        return tl.inline_asm_elementwise(
            _TWO_BYTES_F16, "=r,=r,h,r", [codes, factors], (tl.float16, tl.float16), is_pure=True, pack=2
        )
    else:
        factors = _spread((_small(scales) * (256.0 * _FACTOR_BF16)).to(tl.bfloat16), codes)
        return tl.inline_asm_elementwise(
            _TWO_BYTES_BF16, "=r,=r,h,r", [codes, factors], (tl.bfloat16, tl.bfloat16), is_pure=True, pack=2
        )


@triton.jit
def _small(scales):
    """Scales times 2^-8: E4M3's exponent and mantissa where float16 has its own. No scale is negative."""
    return (scales.to(tl.uint16) << 7).to(tl.float16, bitcast=True).to(tl.float32)


@triton.jit
def _spread(factors, codes):
    """Each block's factor beside its eight bytes."""
    shape: tl.constexpr = codes.shape
    return tl.broadcast_to(factors[:, :, None], (shape[0], shape[1] // 8, 8)).reshape(shape)


@triton.jit
def _multiply(
    pair_ptr, code_ptr, scale_ptr, scale_2_ptr, limits_ptr, target_ptr,
    num_tokens, num_rows, num_columns, steps,
    stride_pair, stride_code, stride_scale, stride_split, stride_target,
    KIND: tl.constexpr, HAS_LIMITS: tl.constexpr, INTERPRETED: tl.constexpr, STEP: tl.constexpr,
    BLOCK_T: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    token, row = tile_of(num_tokens, num_rows, BLOCK_T, BLOCK_R)
    rows, units = limits_of(limits_ptr, token, num_tokens, num_rows, num_columns, HAS_LIMITS, 16)
    first, last, num_read = share_of(rows, units, tl.min(row, axis=0), steps, HAS_LIMITS, 16, STEP, BLOCK_C)
    pair, block = tl.arange(0, BLOCK_C // 2), tl.arange(0, BLOCK_C // 16)
    wide_row = row[:, None].to(tl.int64)
    pair_at = pair_ptr + token[None, :].to(tl.int64) * stride_pair + pair[:, None]  # [BLOCK_C / 2, BLOCK_T]
    code_at = code_ptr + wide_row * stride_code + pair[None, :]  # [BLOCK_R, BLOCK_C / 2]
    # Dividing and multiplying tells the compiler how many scales begin at a multiple of their bytes.
    stride_scale = stride_scale // (STEP // 16) * (STEP // 16)
    scale_at = scale_ptr + wide_row * stride_scale + block[None, :]  # [BLOCK_R, BLOCK_C / 16]

    # total[r, t] = sum over pairs p of W[r, 2p] x[t, 2p] + W[r, 2p + 1] x[t, 2p + 1]
    total = tl.zeros((BLOCK_R, BLOCK_T), tl.float32)
    is_row = row[:, None] < num_rows
    for step in range(first, last):
        pairs_before, blocks_before = step * (BLOCK_C // 2), step * (BLOCK_C // 16)
        is_input = (pair + pairs_before)[:, None] < (units * 8)[None, :]
        is_code = is_row & ((pair + pairs_before)[None, :] < num_read * (STEP // 2))
        is_scale = is_row & ((block + blocks_before)[None, :] < num_read * (STEP // 16))
        pairs = tl.load(pair_at + pairs_before, mask=is_input, other=0)
        codes = tl.load(code_at + pairs_before, mask=is_code, other=0)
        scales = tl.load(scale_at + blocks_before, mask=is_scale, other=0)
        even, odd = scaled_codes(codes, scales, KIND, INTERPRETED)
        x_even, x_odd = halves(pairs, KIND)
        if INTERPRETED:  # its bfloat16 product is wrong
            x_even, x_odd = x_even.to(tl.float32), x_odd.to(tl.float32)
        total = tl.dot(even, x_even, total, input_precision="ieee")
        total = tl.dot(odd, x_odd, total, input_precision="ieee")
    total *= tl.load(scale_2_ptr) * _LEFT
    store_tile(total, target_ptr, token, row, rows, num_tokens, num_rows, stride_split, stride_target)


def _build(name: str, num_tokens: int, kind: str, *, has_limits: bool = False) -> Build:
    pointers = {"pair_ptr": "*i32", "code_ptr": "*u8", "scale_ptr": "*u8", "scale_2_ptr": "*fp32"}
    pointers["target_ptr"] = {"bf16": "*bf16", "f16": "*fp16"}[kind]
    constants = {"KIND": kind, "HAS_LIMITS": has_limits}
    strides = ("stride_pair", "stride_code", "stride_scale")
    return build(name, _multiply, tile_of_nano(num_tokens, 4), pointers, constants, strides=strides)


BUILDS = (
    _build("w4a16_decode", DECODE, "bf16"),
    _build("w4a16_decode_half", DECODE, "f16"),
    _build("w4a16_decode_mixed_sizes", DECODE, "bf16", has_limits=True),
    _build("w4a16_batch", BATCH, "bf16"),
    _build("w4a16_prefill", PREFILL, "bf16"),
)
