"""Native code for x86: weights stay as short as they are stored, and sizes are read where they lie.

    NativeLinear     y = x @ W.T, W in BF16, FP8 or NVFP4, or strips of its rows and columns
    NativeExperts    the same for every expert of a layer, and all of `grouped_experts` in one call
    NativeMamba      a step of a Mamba 2 layer: convolution, state, gate and norm in one call
    DenseLayers      all layers of a Llama-type network, attention included, in one call

`source/` is plain C, compiled once on the machine that runs it (`build.py`) and called through ctypes, so
that no compiler is needed to install and no interpreter lock is held while it computes. A token's numbers do
not depend on how many others come with it, to the last bit.

Noise: weights are exact. With AVX-512's bfloat16 products an input is the sum of two bfloat16, which leaves
out at most 2^-17 of it: outputs are within 3e-6 of the exact ones, relative to their root mean square. With
AVX2 everything is float32.
"""

from nemotron_kernels.native.experts import NativeExperts, native_experts
from nemotron_kernels.native.library import NativeCode, native_code
from nemotron_kernels.native.linear import NativeLinear, StackedLinear, native_linear
from nemotron_kernels.native.weight import is_short

__all__ = [
    "NativeCode",
    "NativeExperts",
    "NativeLinear",
    "StackedLinear",
    "is_short",
    "native_code",
    "native_experts",
    "native_linear",
]
