"""Which instructions make numbers of four E2M1 codes?

At 3 TB/s an H100 reads 5.3e12 NVFP4 weights a second and issues 3e13 instructions: five and a half for each
weight, and whatever needs more is slower than the memory. Here a weight takes two and a half, as codes are
treated two at a time in the halves of a 32-bit register. With loads, scales, addresses and products the loop
of the decoding kernel has 5.5 a weight on Hopper: 710 instructions for the 128 weights of a thread. A loop
that interleaved the codes of even and odd columns into one operand had 6.8.

A code is a sign and three bits of exponent and mantissa. These become the lowest exponent bits and the
highest mantissa bit of a 16-bit number, subnormal codes included, which is then the code's value times 2^-14
(float16) or 2^-126 (bfloat16), by the difference of the biases; the block's scale comes multiplied by what
leaves 2^-8 in both types, and no product is rounded or out of range.
"""

LEFT = 2.0**8
"""What the products still lack."""

SCALE_FACTORS = {"f16": 2.0**6, "bf16": 2.0**118}
"""What a block's scale is multiplied by."""

_SHIFTS = {"f16": (3, "0x0E000E00"), "bf16": (6, "0x01C001C0")}


def two_bytes(kind: str) -> str:
    """Even columns' numbers in $0, odd columns' in $1, from two bytes in $2 and their scales in $3."""
    shift, mask = _SHIFTS[kind]
    return f"""{{
        .reg .b32 odd, even, sign, size, zero;
        mov.b32 zero, 0x80008000;
        cvt.u32.u16 odd, $2;
        prmt.b32 odd, odd, 0, 0x1404;
        shl.b32 even, odd, 4;
        and.b32 sign, even, 0x80008000;
        shr.u32 size, even, {shift};
        and.b32 size, size, {mask};
        or.b32 size, size, sign;
        fma.rn.{kind}x2 $0, size, $3, zero;
        and.b32 sign, odd, 0x80008000;
        shr.u32 size, odd, {shift};
        and.b32 size, size, {mask};
        or.b32 size, size, sign;
        fma.rn.{kind}x2 $1, size, $3, zero;
    }}"""
