"""How does a weight become FP8, and what does it stand for then?"""

from dataclasses import dataclass

import torch
from torch import Tensor

E4M3_MAX = 448.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fp8Weight:
    """`weight` is float8_e4m3fn in the tensor's own shape, `weight_scale` a float32 scalar."""

    weight: Tensor
    weight_scale: Tensor


def quantise(weight: Tensor, scale: Tensor | None = None) -> Fp8Weight:
    """Round to the nearest E4M3 value, by default scaled so that the largest magnitude becomes 448."""
    weight = weight.float()
    scale = tensor_scale(weight) if scale is None else scale
    # The division may round one unit past 448, which E4M3 would turn into NaN; activations may pass it far.
    codes = (weight / scale).clamp(-E4M3_MAX, E4M3_MAX).to(torch.float8_e4m3fn)
    return Fp8Weight(weight=codes, weight_scale=scale)


def dequantise(quantised: Fp8Weight) -> Tensor:
    """The float32 weight that the codes stand for."""
    return quantised.weight.float() * quantised.weight_scale


def tensor_scale(weight: Tensor) -> Tensor:
    """The float32 scale that takes the largest magnitude to 448."""
    scale = weight.float().abs().amax() / E4M3_MAX
    return torch.where(scale == 0, torch.ones_like(scale), scale)
