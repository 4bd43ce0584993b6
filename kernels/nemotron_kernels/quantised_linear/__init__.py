"""A linear layer over a weight as a checkpoint stores it: BF16, FP8 or NVFP4.

    linear:  y = x @ W.T             x [..., in], W [out, in] or its codes and scales, y [..., out] as x

`linear` reads the stored codes themselves: inputs of 16 bits by default (W16A16, W8A16, W4A16), or inputs
that are first rounded to the weight's format, given the scale measured for them (W8A8, W4A4).

    prepare: y = (x @ values.T) * row_scale        x float32 [rows, in], values [out, in], row_scale [out]

`prepare` is for processors, which lay weights out once. Every value must be exact in float16: codes of FP8
are, codes of NVFP4 times their block scale are, and bfloat16 is once a power of two has moved the largest
near float16's top. The scale stays outside, so the product is that of the quantised weight itself and not of
a rounded copy. Sums are float32 everywhere.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from nemotron_kernels._choice import prefers_fbgemm, runs_triton
from nemotron_kernels.quantised_linear import reference
from nemotron_kernels.quantised_linear.reference import Linear, ReferenceLinear, Weight

__all__ = ["Linear", "Weight", "held_bytes", "linear", "prepare"]


def linear(
    x: Tensor, weight: Weight, input_scale: Tensor | None = None, *, out: Tensor | None = None
) -> Tensor:
    """x @ W.T for x [..., in], in the type of x. With a scale x is first rounded to the weight's format."""
    if runs_triton(x):
        from nemotron_kernels.quantised_linear import kernel

        return kernel.linear(x, weight, input_scale, out=out)
    result = reference.linear(x, weight, input_scale)
    return result if out is None else out.copy_(result)


def prepare(values: Tensor, row_scale: Tensor | None) -> Linear:
    """A layer over these weights, laid out once for the implementation that runs here.

    Without `row_scale` the values are the weights, or whoever calls it scales the result.
    """
    if _has_fbgemm():
        from nemotron_kernels.quantised_linear.cpu import FbgemmLinear

        return FbgemmLinear(values, row_scale)
    return ReferenceLinear(values, row_scale)


def held_bytes(shape: Sequence[int]) -> int:
    """Bytes that weights [out, in] take here once they are laid out, row scales aside."""
    if _has_fbgemm():
        from nemotron_kernels.quantised_linear.cpu import packed_bytes

        return packed_bytes(shape)
    return 4 * prod(shape)


def _has_fbgemm() -> bool:
    return prefers_fbgemm(torch.backends.quantized.supported_engines)
