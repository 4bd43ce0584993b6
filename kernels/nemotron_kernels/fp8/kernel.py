# pyright: basic, reportArgumentType=false
"""How does a GPU round to E4M3 and back, with the same bits on every generation?

Codes are made and read as bytes by integer arithmetic, since Ampere has no such type. Both kernels are bound
by memory; a program takes a tile of rows, so that slices of a wider tensor need no copy.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from nemotron_kernels._build import Build
from nemotron_kernels._decode import e4m3_value
from nemotron_kernels.fp8.reference import Fp8Weight, tensor_scale

_ROWS, _COLUMNS = 4, 512


def quantise(weight: Tensor, scale: Tensor | None = None, *, out: Tensor | None = None) -> Fp8Weight:
    scale = tensor_scale(weight) if scale is None else scale
    codes = torch.empty(weight.shape, dtype=torch.float8_e4m3fn, device=weight.device) if out is None else out
    _launch(_quantise, weight, scale, codes.view(torch.uint8))
    return Fp8Weight(weight=codes, weight_scale=scale)


def dequantise(quantised: Fp8Weight, *, out: Tensor | None = None) -> Tensor:
    codes = quantised.weight
    values = torch.empty(codes.shape, dtype=torch.float32, device=codes.device) if out is None else out
    _launch(_dequantise, codes.view(torch.uint8), quantised.weight_scale, values)
    return values


def _launch(kernel, source: Tensor, scale: Tensor, target: Tensor) -> None:
    source = _rows(source)
    num_rows, num_columns = source.shape
    if source.numel():
        grid = (triton.cdiv(num_rows, _ROWS), triton.cdiv(num_columns, _COLUMNS))
        kernel[grid](
            source, scale, target, num_rows, num_columns, *source.stride(), BLOCK_R=_ROWS, BLOCK_C=_COLUMNS
        )


def _rows(tensor: Tensor) -> Tensor:
    """The tensor as rows of its last axis; a tensor of one number is one row."""
    return tensor.reshape(-1, tensor.shape[-1] if tensor.ndim else 1)


@triton.jit
def e4m3_code(value):
    """The E4M3 byte nearest to a float32 within +-448; ties go to the even mantissa.

    From 2^-6 on the code is float32's own exponent and mantissa, rounded to three bits of it, with another
    bias. Below, codes count steps of 2^-9, and adding 2^14, whose last bit is 2^-9, rounds to them.
    """
    bits = tl.abs(value).to(tl.int32, bitcast=True)
    rounded = (bits + 0x7FFFF + ((bits >> 20) & 1)) >> 20
    steps = (tl.abs(value) + 16384.0).to(tl.int32, bitcast=True) - 0x46800000
    magnitude = tl.where(tl.abs(value) < 0.015625, steps, rounded - (120 << 3))  # biases 127 - 7
    sign = (value.to(tl.int32, bitcast=True) >> 24) & 0x80
    return (magnitude | sign).to(tl.uint8)


@triton.jit
def _quantise(
    weight_ptr, scale_ptr, code_ptr, num_rows, num_columns, stride_row, stride_column,
    BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)[:, None]
    column = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)[None, :]
    inside = (row < num_rows) & (column < num_columns)  # [BLOCK_R, BLOCK_C]
    weight = tl.load(weight_ptr + row * stride_row + column * stride_column, mask=inside, other=0.0)
    # code = E4M3(W / scale), by the division that rounds as torch's does
    value = tl.div_rn(weight.to(tl.float32), tl.load(scale_ptr))
    value = tl.minimum(tl.maximum(value, -448.0), 448.0)
    tl.store(code_ptr + row * num_columns + column, e4m3_code(value), mask=inside)


@triton.jit
def _dequantise(
    code_ptr, scale_ptr, weight_ptr, num_rows, num_columns, stride_row, stride_column,
    BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)[:, None]
    column = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)[None, :]
    inside = (row < num_rows) & (column < num_columns)  # [BLOCK_R, BLOCK_C]
    code = tl.load(code_ptr + row * stride_row + column * stride_column, mask=inside, other=0)
    tl.store(weight_ptr + row * num_columns + column, e4m3_value(code) * tl.load(scale_ptr), mask=inside)


_SIZES = {"num_rows": "i32", "num_columns": "i32", "stride_row": "i32"}
_TILE = {"stride_column": 1, "BLOCK_R": _ROWS, "BLOCK_C": _COLUMNS}
_DIVISIBLE = ("num_columns", "stride_row")

BUILDS = (
    Build(
        "quantise",
        _quantise,
        {"weight_ptr": "*bf16", "scale_ptr": "*fp32", "code_ptr": "*u8", **_SIZES},
        _TILE,
        divisible=_DIVISIBLE,
    ),
    Build(
        "dequantise",
        _dequantise,
        {"code_ptr": "*u8", "scale_ptr": "*fp32", "weight_ptr": "*fp32", **_SIZES},
        _TILE,
        divisible=_DIVISIBLE,
    ),
)
