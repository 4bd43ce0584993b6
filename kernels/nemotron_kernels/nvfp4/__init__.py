"""NVFP4 weights: 4-bit E2M1 codes, an E4M3 scale for 16 of them, one float32 scale a tensor.

    weight_scale_2 = max|W| / (6 * 448)
    weight_scale   = E4M3(max|block| / (6 * weight_scale_2))        a block is 16 along the input axis
    codes          = E2M1(W / (weight_scale * weight_scale_2))      ties go to the even mantissa
    W             ~ value(codes) * weight_scale * weight_scale_2

Two codes share a byte: the even index in the low four bits, the odd index in the high four.
Activations are rounded alike, with a `weight_scale_2` that was measured beforehand.
"""

from torch import Tensor

from nemotron_kernels._choice import runs_triton
from nemotron_kernels.nvfp4 import reference
from nemotron_kernels.nvfp4.reference import (
    BLOCK,
    Nvfp4Weight,
    block_values,
    decode,
    encode,
    pack,
    unpack,
)

__all__ = [
    "BLOCK",
    "Nvfp4Weight",
    "block_values",
    "decode",
    "dequantise",
    "encode",
    "pack",
    "quantise",
    "unpack",
]


def quantise(weight: Tensor, scale_2: Tensor | None = None) -> Nvfp4Weight:
    """Round rows [out, in] to NVFP4, by default with the tensor's own scale. 16 must divide `in`."""
    if runs_triton(weight):
        from nemotron_kernels.nvfp4 import kernel

        return kernel.quantise(weight, scale_2)
    return reference.quantise(weight, scale_2)


def dequantise(quantised: Nvfp4Weight) -> Tensor:
    """The float32 weight [out, in] that the codes stand for."""
    if runs_triton(quantised.weight):
        from nemotron_kernels.nvfp4 import kernel

        return kernel.dequantise(quantised)
    return reference.dequantise(quantised)
