"""NVFP4 weights: 4-bit E2M1 codes, an E4M3 scale for 16 of them, one float32 scale a tensor.

    weight_scale_2 = max|W| / (6 * 448)
    weight_scale   = E4M3(max|block| / (6 * weight_scale_2))        a block is 16 along the input axis
    codes          = E2M1(W / (weight_scale * weight_scale_2))      ties go to the even mantissa
    W             ~ value(codes) * weight_scale * weight_scale_2

Two codes share a byte: the even index in the low four bits, the odd index in the high four.
"""

from nemotron_kernels.nvfp4.reference import (
    BLOCK,
    Nvfp4Weight,
    block_values,
    decode,
    dequantise,
    encode,
    quantise,
)

__all__ = ["BLOCK", "Nvfp4Weight", "block_values", "decode", "dequantise", "encode", "quantise"]
