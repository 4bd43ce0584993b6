"""A linear layer whose weight is a grid of short numbers times a scale for each output.

    y = (x @ values.T) * row_scale        x float32 [rows, in], values [out, in], row_scale [out]

Every value must be exact in float16: codes of FP8 are, codes of NVFP4 times their block scale are, and
bfloat16 is once a power of two has moved the largest near float16's top. The scale stays outside, so the
product is that of the quantised weight itself and not of a rounded copy; sums are float32.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from nemotron_kernels._choice import prefers_fbgemm
from nemotron_kernels.quantised_linear.reference import Linear, ReferenceLinear

__all__ = ["Linear", "held_bytes", "prepare"]


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
