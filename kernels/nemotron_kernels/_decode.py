"""Which number does a short code stand for, inside a Triton kernel?

Codes and block scales arrive as bytes: Ampere has no E4M3 type, and integer arithmetic gives every target
the same bits. A code's exponent and mantissa are moved to where float16 has its own, which is right for
subnormal codes too; the difference of the exponents' biases is a power of two that multiplies the result.
"""

import triton
import triton.language as tl


@triton.jit
def e4m3_value(code):
    """The float32 value of E4M3 bytes. The two codes for NaN, which no quantised weight has, give 480."""
    bits = code.to(tl.uint16)
    half = ((bits & 0x80) << 8) | ((bits & 0x7F) << 7)
    return half.to(tl.float16, bitcast=True).to(tl.float32) * 256.0  # 2^(15 - 7)


@triton.jit
def e2m1_value(code):
    """The float32 value of E2M1 codes; bits above the low four are ignored."""
    bits = code.to(tl.uint16)
    half = ((bits & 0x8) << 12) | ((bits & 0x7) << 9)
    return half.to(tl.float16, bitcast=True).to(tl.float32) * 16384.0  # 2^(15 - 1)
