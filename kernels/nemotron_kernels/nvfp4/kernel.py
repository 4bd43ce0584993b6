# pyright: basic, reportArgumentType=false
"""How does a GPU round to NVFP4 and back, with ModelOpt's bits?

A program takes a tile of rows by blocks of 16 columns; one thread's numbers are neighbours, so that a block's
peak, its codes and their packing stay in registers. Rows may be slices of a wider tensor.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from nemotron_kernels._build import Build
from nemotron_kernels._decode import e2m1_value, e4m3_value
from nemotron_kernels.fp8.kernel import e4m3_code
from nemotron_kernels.nvfp4.reference import BLOCK, Nvfp4Weight, num_blocks_of, tensor_scale

_ROWS, _BLOCKS = 4, 32


def quantise(weight: Tensor, scale_2: Tensor | None = None, *, out: Nvfp4Weight | None = None) -> Nvfp4Weight:
    num_rows, num_columns = weight.shape
    num_blocks = num_blocks_of(num_columns)
    scale_2 = tensor_scale(weight) if scale_2 is None else scale_2
    out = out or Nvfp4Weight(
        weight=weight.new_empty(num_rows, num_columns // 2, dtype=torch.uint8),
        weight_scale=weight.new_empty(num_rows, num_blocks, dtype=torch.float8_e4m3fn),
        weight_scale_2=scale_2,
    )
    if weight.numel():
        _quantise[_grid(num_rows, num_blocks)](
            weight, scale_2, out.weight, out.weight_scale.view(torch.uint8), num_rows, num_blocks,
            *weight.stride(), BLOCK_R=_ROWS, BLOCK_B=_BLOCKS,
        )  # fmt: skip
    return out


def dequantise(quantised: Nvfp4Weight, *, out: Tensor | None = None) -> Tensor:
    codes, scales = quantised.weight, quantised.weight_scale.view(torch.uint8)
    num_rows, num_blocks = scales.shape
    if out is None:
        out = codes.new_empty(num_rows, num_blocks * BLOCK, dtype=torch.float32)
    if codes.numel():
        _dequantise[_grid(num_rows, num_blocks)](
            codes, scales, quantised.weight_scale_2, out, num_rows, num_blocks,
            *codes.stride(), *scales.stride(), BLOCK_R=_ROWS, BLOCK_B=_BLOCKS,
        )  # fmt: skip
    return out


def _grid(num_rows: int, num_blocks: int) -> tuple[int, int]:
    return triton.cdiv(num_rows, _ROWS), triton.cdiv(num_blocks, _BLOCKS)


@triton.jit
def e2m1_code(value):
    """The E2M1 code nearest to a float32, as bits of an int32; beyond 5 it is that of 6.

    A code is the number of halfway points below the magnitude. Ties go to the even mantissa, so that every
    second point counts already when it is met.
    """
    size = tl.abs(value)
    code = (size > 0.25).to(tl.int32) + (size >= 0.75).to(tl.int32) + (size > 1.25).to(tl.int32)
    code += (size >= 1.75).to(tl.int32) + (size > 2.5).to(tl.int32) + (size >= 3.5).to(tl.int32)
    return code + (size > 5.0).to(tl.int32) + 8 * (value < 0.0).to(tl.int32)


@triton.jit
def _quantise(
    weight_ptr, scale_2_ptr, code_ptr, scale_ptr, num_rows, num_blocks, stride_row, stride_column,
    BLOCK_R: tl.constexpr, BLOCK_B: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)[:, None]
    block = tl.program_id(1) * BLOCK_B + tl.arange(0, BLOCK_B)[None, :]
    inside = (row < num_rows) & (block < num_blocks)  # [BLOCK_R, BLOCK_B]
    column = block[:, :, None] * 16 + tl.arange(0, 16)[None, None, :]
    source = weight_ptr + row[:, :, None] * stride_row + column * stride_column
    weight = tl.load(source, mask=inside[:, :, None], other=0.0).to(tl.float32)  # [BLOCK_R, BLOCK_B, 16]

    # scale = E4M3(max|block| / (6 * scale_2)), 1 for a block of zeros
    scale_2 = tl.load(scale_2_ptr)
    scale = tl.div_rn(tl.max(tl.abs(weight), axis=2), 6.0 * scale_2)
    scale = tl.where(scale == 0.0, 1.0, scale)
    scale_code = e4m3_code(tl.minimum(tl.maximum(scale, 0.001953125), 448.0))  # from 2^-9
    tl.store(scale_ptr + row * num_blocks + block, scale_code, mask=inside)

    # code = E2M1(W / (scale * scale_2)); the even column takes the low half of a byte
    code = e2m1_code(
        tl.div_rn(weight, tl.broadcast_to((e4m3_value(scale_code) * scale_2)[:, :, None], weight.shape))
    )
    even, odd = tl.split(tl.reshape(code, (BLOCK_R, BLOCK_B, 8, 2)))
    place = (row * num_blocks + block)[:, :, None] * 8 + tl.arange(0, 8)[None, None, :]
    tl.store(code_ptr + place, (even | (odd << 4)).to(tl.uint8), mask=inside[:, :, None])


@triton.jit
def _dequantise(
    code_ptr, scale_ptr, scale_2_ptr, weight_ptr, num_rows, num_blocks,
    stride_code_row, stride_code_byte, stride_scale_row, stride_scale_block,
    BLOCK_R: tl.constexpr, BLOCK_B: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)[:, None]
    block = tl.program_id(1) * BLOCK_B + tl.arange(0, BLOCK_B)[None, :]
    inside = (row < num_rows) & (block < num_blocks)  # [BLOCK_R, BLOCK_B]
    byte = block[:, :, None] * 8 + tl.arange(0, 8)[None, None, :]
    source = code_ptr + row[:, :, None] * stride_code_row + byte * stride_code_byte
    codes = tl.load(source, mask=inside[:, :, None], other=0)  # [BLOCK_R, BLOCK_B, 8]
    scale = tl.load(scale_ptr + row * stride_scale_row + block * stride_scale_block, mask=inside, other=0)

    # W = value(code) * scale * scale_2, in the reference's order
    values = tl.join(e2m1_value(codes), e2m1_value(codes >> 4)).reshape(BLOCK_R, BLOCK_B, 16)
    weight = values * e4m3_value(scale)[:, :, None] * tl.load(scale_2_ptr)
    place = (row * num_blocks + block)[:, :, None] * 16 + tl.arange(0, 16)[None, None, :]
    tl.store(weight_ptr + place, weight, mask=inside[:, :, None])


_SIZES = {"num_rows": "i32", "num_blocks": "i32"}
_TILE = {"BLOCK_R": _ROWS, "BLOCK_B": _BLOCKS}

BUILDS = (
    Build(
        "quantise",
        _quantise,
        {"weight_ptr": "*bf16", "scale_2_ptr": "*fp32", "code_ptr": "*u8", "scale_ptr": "*u8"}
        | _SIZES
        | {"stride_row": "i32"},
        _TILE | {"stride_column": 1},
        divisible=("stride_row",),
    ),
    Build(
        "dequantise",
        _dequantise,
        {"code_ptr": "*u8", "scale_ptr": "*u8", "scale_2_ptr": "*fp32", "weight_ptr": "*fp32"}
        | _SIZES
        | {"stride_code_row": "i32", "stride_scale_row": "i32"},
        _TILE | {"stride_code_byte": 1, "stride_scale_block": 1},
        divisible=("stride_code_row",),
    ),
)
