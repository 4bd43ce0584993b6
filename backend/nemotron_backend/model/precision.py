"""What does a weight become in each precision?

Native code reads each as it is stored. Without it every precision ends in numbers that float16 holds exactly
and a scale that stays outside, so that one linear layer serves them all. The numerics are the precision's own
either way: W16A32, W8A32, W4A32.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nemotron_backend.model.stored_weight import quantise
from nemotron_backend.request import Precision
from nemotron_kernels.native import native_code, native_linear
from nemotron_kernels.quantised_linear import Linear, prepare

_FLOAT16_TOP = 15  # the largest magnitude is moved into [2**14, 2**15)


def make_linear(weights: Sequence[Tensor], precision: Precision) -> Linear:
    """One layer that computes several projections of the same input, each quantised by itself."""
    code = native_code()
    if code is not None:
        return native_linear(code, [quantise(weight, precision).content for weight in weights])
    parts = [_encode(weight, precision) for weight in weights]
    scales = [scale.expand(len(values)) for values, scale in parts]
    return prepare(torch.cat([values for values, _ in parts]), torch.cat(scales))


def _encode(weight: Tensor, precision: Precision) -> tuple[Tensor, Tensor]:
    """Values [out, in] and their scalar scale, both float32; values times scale is the weight."""
    if precision == "bf16":
        return shifted(weight)
    values, scale = quantise(weight, precision).numbers()
    assert scale is not None, "a quantised weight has a scale"
    return values, scale


def shifted(weight: Tensor) -> tuple[Tensor, Tensor]:
    """bfloat16 reaches lower than float16; a power of two brings all but vanishing values within reach."""
    rounded = weight.to(torch.bfloat16).float()
    _, exponent = math.frexp(rounded.abs().max().item())
    shift = _FLOAT16_TOP - exponent
    return rounded * 2.0**shift, torch.tensor(2.0**-shift)
