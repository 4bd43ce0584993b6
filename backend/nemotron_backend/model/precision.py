"""What does a weight become in each precision?

Every precision ends in numbers that float16 holds exactly and a scale that stays outside, so that one
linear layer serves them all with the precision's own numerics: W16A32, W8A32, W4A32.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nemotron_backend.request import Precision
from nemotron_kernels import fp8, nvfp4
from nemotron_kernels.quantised_linear import Linear, prepare

_FLOAT16_TOP = 15  # the largest magnitude is moved into [2**14, 2**15)


def make_linear(weights: Sequence[Tensor], precision: Precision) -> Linear:
    """One layer that computes several projections of the same input, each quantised by itself."""
    parts = [_encode(weight, precision) for weight in weights]
    scales = [scale.expand(len(values)) for values, scale in parts]
    return prepare(torch.cat([values for values, _ in parts]), torch.cat(scales))


def _encode(weight: Tensor, precision: Precision) -> tuple[Tensor, Tensor]:
    """Values [out, in] and their scalar scale, both float32; values times scale is the weight."""
    match precision:
        case "bf16":
            return shifted(weight)
        case "fp8":
            eight = fp8.quantise(weight)
            return eight.weight.float(), eight.weight_scale
        case "nvfp4":
            four = nvfp4.quantise(weight)
            return nvfp4.block_values(four), four.weight_scale_2


def shifted(weight: Tensor) -> tuple[Tensor, Tensor]:
    """bfloat16 reaches lower than float16; a power of two brings all but vanishing values within reach."""
    rounded = weight.to(torch.bfloat16).float()
    _, exponent = math.frexp(rounded.abs().max().item())
    shift = _FLOAT16_TOP - exponent
    return rounded * 2.0**shift, torch.tensor(2.0**-shift)
