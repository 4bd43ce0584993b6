"""FP8 weights: E4M3 values with one float32 scale a tensor.

weight_scale = max|W| / 448        codes = E4M3(W / weight_scale)        W ~ codes * weight_scale
"""

from nemotron_kernels.fp8.reference import Fp8Weight, dequantise, quantise

__all__ = ["Fp8Weight", "dequantise", "quantise"]
