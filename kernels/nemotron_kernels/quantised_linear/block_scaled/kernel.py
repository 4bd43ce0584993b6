# pyright: basic, reportArgumentType=false
"""How does Blackwell multiply NVFP4 by NVFP4?

Codes and block scales go to the tensor cores as they lie in memory. Triton can emulate this product on
earlier GPUs, but only by spilling; W4A16 is the way there.
"""

import triton
import triton.language as tl

from nemotron_kernels._build import Build, Target
from nemotron_kernels._decode import e2m1_value
from nemotron_kernels.nvfp4.reference import Nvfp4Weight
from nemotron_kernels.quantised_linear.tile.build import BATCH, DECODE, PREFILL, build, tile_of_nano
from nemotron_kernels.quantised_linear.tile.call import Call
from nemotron_kernels.quantised_linear.tile.kernel import limits_of, share_of, store_tile, tile_of
from nemotron_kernels.quantised_linear.tile.shape import BLOCK_SCALED_ROWS


def launch(call: Call, x: Nvfp4Weight, weight: Nvfp4Weight) -> None:
    _multiply[call.grid](
        x_ptr=x.weight,
        x_scale_ptr=x.weight_scale,
        x_scale_2_ptr=x.weight_scale_2,
        code_ptr=weight.weight,
        scale_ptr=weight.weight_scale,
        scale_2_ptr=weight.weight_scale_2,
        stride_x=x.weight.stride(0),
        stride_x_scale=x.weight_scale.stride(0),
        stride_code=weight.weight.stride(0),
        stride_scale=weight.weight_scale.stride(0),
        **call.arguments | {"STEP": call.step if weight.weight_scale.stride(0) % 4 == 0 else 16},
    )


@triton.jit
def _widened(codes, scales):
    """What the codes [N, C / 2] stand for under the block scales [N, C / 16], float32 [N, C]."""
    shape: tl.constexpr = codes.shape
    values = tl.join(e2m1_value(codes), e2m1_value(codes >> 4)).reshape(shape[0], shape[1] // 8, 16)
    return (values * scales.to(tl.float32)[:, :, None]).reshape(shape[0], 2 * shape[1])


@triton.jit
def _multiply(
    x_ptr, x_scale_ptr, x_scale_2_ptr, code_ptr, scale_ptr, scale_2_ptr, limits_ptr, target_ptr,
    num_tokens, num_rows, num_columns, steps,
    stride_x, stride_x_scale, stride_code, stride_scale, stride_split, stride_target,
    HAS_LIMITS: tl.constexpr, INTERPRETED: tl.constexpr, STEP: tl.constexpr,
    BLOCK_T: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    token, row = tile_of(num_tokens, num_rows, BLOCK_T, BLOCK_R)
    rows, units = limits_of(limits_ptr, token, num_tokens, num_rows, num_columns, HAS_LIMITS, 16)
    first, last, num_read = share_of(rows, units, tl.min(row, axis=0), steps, HAS_LIMITS, 16, STEP, BLOCK_C)
    byte, block = tl.arange(0, BLOCK_C // 2)[None, :], tl.arange(0, BLOCK_C // 16)[None, :]
    wide_token, wide_row = token[:, None].to(tl.int64), row[:, None].to(tl.int64)
    # Dividing and multiplying tells the compiler how many scales begin at a multiple of their bytes.
    stride_scale = stride_scale // (STEP // 16) * (STEP // 16)
    stride_x_scale = stride_x_scale // (STEP // 16) * (STEP // 16)
    x_at = x_ptr + wide_token * stride_x + byte  # [BLOCK_T, BLOCK_C / 2]
    x_scale_at = x_scale_ptr + wide_token * stride_x_scale + block  # [BLOCK_T, BLOCK_C / 16]
    code_at = code_ptr + wide_row * stride_code + byte  # [BLOCK_R, BLOCK_C / 2]
    scale_at = scale_ptr + wide_row * stride_scale + block  # [BLOCK_R, BLOCK_C / 16]

    # total[r, t] = sum over blocks of scale[r] x_scale[t] (sum over the block of code[r, c] x_code[t, c])
    total = tl.zeros((BLOCK_R, BLOCK_T), tl.float32)
    is_row, units = row[:, None] < num_rows, units[:, None]
    for step in range(first, last):
        bytes_before, blocks_before = step * (BLOCK_C // 2), step * (BLOCK_C // 16)
        is_code = is_row & (byte + bytes_before < num_read * (STEP // 2))
        is_scale = is_row & (block + blocks_before < num_read * (STEP // 16))
        x = tl.load(x_at + bytes_before, mask=byte + bytes_before < units * 8, other=0)
        x_scale = tl.load(x_scale_at + blocks_before, mask=block + blocks_before < units, other=0.0)
        codes = tl.load(code_at + bytes_before, mask=is_code, other=0)
        scale = tl.load(scale_at + blocks_before, mask=is_scale, other=0.0)
        if INTERPRETED:  # its product with E4M3 scales is wrong
            total = tl.dot(
                _widened(codes, scale), tl.trans(_widened(x, x_scale)), total, input_precision="ieee"
            )
        else:
            total = tl.dot_scaled(codes, scale, "e2m1", tl.trans(x), x_scale, "e2m1", total)
    total *= tl.load(scale_2_ptr) * tl.load(x_scale_2_ptr)
    store_tile(total, target_ptr, token, row, rows, num_tokens, num_rows, stride_split, stride_target)


_NO_BLOCK_SCALES = "its tensor cores apply no block scales"
_UNSUPPORTED: dict[Target, str] = {"sm_80": _NO_BLOCK_SCALES, "sm_90": _NO_BLOCK_SCALES}
_MMA: dict[Target, str] = {"sm_100": "UTCOMMA", "sm_120": "OMMA"}


def _build(name: str, num_tokens: int) -> Build:
    operands = {"x_ptr": "*u8", "x_scale_ptr": "*fp8e4nv", "code_ptr": "*u8", "scale_ptr": "*fp8e4nv"}
    return build(
        name,
        _multiply,
        tile_of_nano(num_tokens, 4, BLOCK_SCALED_ROWS),
        {**operands, "x_scale_2_ptr": "*fp32", "scale_2_ptr": "*fp32"},
        {},
        strides=("stride_x", "stride_x_scale", "stride_code", "stride_scale"),
        instructions=_MMA,
        unsupported=_UNSUPPORTED,
    )


BUILDS = (_build("w4a4_decode", DECODE), _build("w4a4_batch", BATCH), _build("w4a4_prefill", PREFILL))
