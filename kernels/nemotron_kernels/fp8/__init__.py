"""FP8 weights: E4M3 values with one float32 scale a tensor.

weight_scale = max|W| / 448        codes = E4M3(W / weight_scale)        W ~ codes * weight_scale

Activations are rounded alike, with a scale that was measured beforehand; what lies beyond 448 saturates.
"""

from torch import Tensor

from nemotron_kernels._choice import runs_triton
from nemotron_kernels.fp8 import reference
from nemotron_kernels.fp8.reference import Fp8Weight

__all__ = ["Fp8Weight", "dequantise", "quantise"]


def quantise(weight: Tensor, scale: Tensor | None = None) -> Fp8Weight:
    """Round to the nearest E4M3 value, by default scaled so that the largest magnitude becomes 448."""
    if runs_triton(weight):
        from nemotron_kernels.fp8 import kernel

        return kernel.quantise(weight, scale)
    return reference.quantise(weight, scale)


def dequantise(quantised: Fp8Weight) -> Tensor:
    """The float32 weight that the codes stand for."""
    if runs_triton(quantised.weight):
        from nemotron_kernels.fp8 import kernel

        return kernel.dequantise(quantised)
    return reference.dequantise(quantised)
