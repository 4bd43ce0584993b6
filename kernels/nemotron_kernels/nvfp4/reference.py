"""How does a weight become NVFP4, and what does it stand for then?"""

from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK = 16
_E2M1_MAX = 6.0
_E4M3_MAX = 448.0
_E4M3_SMALLEST = 2.0**-9
_MAGNITUDES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
_BOUNDARIES = (0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0)
# Halfway between an odd and an even mantissa, with the even one above: these round up.
_BOUNDARIES_UP = (0.75, 1.75, 3.5)
_SIGN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Nvfp4Weight:
    """`weight` is uint8 [out, in / 2], `weight_scale` float8_e4m3fn [out, in / 16], both row-major.

    `weight_scale_2` is a float32 scalar.
    """

    weight: Tensor
    weight_scale: Tensor
    weight_scale_2: Tensor


def quantise(weight: Tensor, scale_2: Tensor | None = None) -> Nvfp4Weight:
    """Round rows [out, in] to NVFP4, by default with the tensor's own scale. 16 must divide `in`."""
    num_rows, num_columns = weight.shape
    blocks = weight.float().reshape(num_rows, num_blocks_of(num_columns), BLOCK)
    scale_2 = tensor_scale(weight) if scale_2 is None else scale_2
    scale = _block_scales(blocks, scale_2)
    codes = encode(blocks / (scale.float() * scale_2)[..., None])
    return Nvfp4Weight(
        weight=pack(codes.reshape(num_rows, num_columns)), weight_scale=scale, weight_scale_2=scale_2
    )


def dequantise(quantised: Nvfp4Weight) -> Tensor:
    """The float32 weight [out, in] that the codes stand for."""
    return block_values(quantised) * quantised.weight_scale_2


def block_values(quantised: Nvfp4Weight) -> Tensor:
    """Codes times block scales, float32 [out, in], before the tensor's scale; float16 holds each exactly."""
    values = decode(unpack(quantised.weight))
    return values * quantised.weight_scale.float().repeat_interleave(BLOCK, dim=-1)


def encode(values: Tensor) -> Tensor:
    """E2M1 codes, uint8, one a value. Above 5 saturates at 6; the sign survives a magnitude of 0."""
    magnitudes = values.abs()
    codes = torch.bucketize(magnitudes, values.new_tensor(_BOUNDARIES), out_int32=True).to(torch.uint8)
    for boundary in _BOUNDARIES_UP:
        codes += magnitudes == boundary
    return codes + _SIGN * (values < 0).to(torch.uint8)


def decode(codes: Tensor) -> Tensor:
    """The float32 value of each E2M1 code."""
    magnitudes = torch.tensor(_MAGNITUDES, device=codes.device)
    return torch.cat((magnitudes, -magnitudes))[codes.int()]


def num_blocks_of(num_columns: int) -> int:
    """Blocks of a row. Raises ValueError unless they are whole."""
    if num_columns % BLOCK:
        raise ValueError(f"NVFP4 needs an input axis that {BLOCK} divides, not {num_columns}")
    return num_columns // BLOCK


def tensor_scale(weight: Tensor) -> Tensor:
    """The float32 scale that takes the largest magnitude to the largest code of the largest block scale."""
    scale = weight.float().abs().amax() / (_E2M1_MAX * _E4M3_MAX)
    return torch.where(scale == 0, torch.ones_like(scale), scale)


def _block_scales(blocks: Tensor, scale_2: Tensor) -> Tensor:
    scales = blocks.abs().amax(dim=-1) / (_E2M1_MAX * scale_2)
    scales = torch.where(scales == 0, torch.ones_like(scales), scales)
    return scales.clamp(_E4M3_SMALLEST, _E4M3_MAX).to(torch.float8_e4m3fn)


def pack(codes: Tensor) -> Tensor:
    """Two codes a byte along the last axis, the even index in the low half."""
    return codes[..., 0::2] | codes[..., 1::2] << 4


def unpack(packed: Tensor) -> Tensor:
    """The codes of every byte, in the order of their columns."""
    return torch.stack((packed & 15, packed >> 4), dim=-1).flatten(-2)
