"""What does a checkpoint store for one linear weight, and what are its numbers?

bf16   weight
fp8    weight, weight_scale                     and input_scale, which only W8A8 arithmetic reads
nvfp4  weight, weight_scale, weight_scale_2     and input_scale, which only W4A4 arithmetic reads
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nemotron_backend.model.cuts import Strip, Strips
from nemotron_backend.request import Precision
from nemotron_kernels import fp8, nvfp4
from nemotron_kernels.fp8 import Fp8Weight
from nemotron_kernels.nvfp4 import BLOCK, Nvfp4Weight

SCALES: Mapping[Precision, tuple[str, ...]] = {
    "bf16": (),
    "fp8": ("weight_scale",),
    "nvfp4": ("weight_scale", "weight_scale_2"),
}
INPUT_SCALE = "input_scale"
DTYPES: Mapping[Precision, tuple[torch.dtype, ...]] = {
    "bf16": (torch.bfloat16, torch.float16, torch.float32),
    "fp8": (torch.float8_e4m3fn,),
    "nvfp4": (torch.uint8,),
}

Content = Tensor | Fp8Weight | Nvfp4Weight


@dataclass(frozen=True, slots=True)
class StoredWeight:
    """A weight [out, in] in the form of its precision, and the scale its inputs were calibrated to."""

    content: Content
    input_scale: Tensor | None = None

    def numbers(self) -> tuple[Tensor, Tensor | None]:
        """Float32 values [out, in] and, where the weight is quantised, the scale they still need."""
        match self.content:
            case Fp8Weight() as eight:
                return eight.weight.float(), eight.weight_scale
            case Nvfp4Weight() as four:
                return nvfp4.block_values(four), four.weight_scale_2
            case plain:
                return plain.float(), None

    def tensors(self) -> dict[str, Tensor]:
        """What a file holds, by the last part of the name."""
        match self.content:
            case Fp8Weight() as eight:
                held = {"weight": eight.weight, "weight_scale": eight.weight_scale}
            case Nvfp4Weight() as four:
                held = {
                    "weight": four.weight,
                    "weight_scale": four.weight_scale,
                    "weight_scale_2": four.weight_scale_2,
                }
            case plain:
                held = {"weight": plain}
        return held if self.input_scale is None else {**held, INPUT_SCALE: self.input_scale}

    def cut(self, rows: Strips | None, columns: Strips | None) -> "StoredWeight":
        """A copy of these strips. Scales of the tensor stay; an NVFP4 strip must hold whole blocks."""
        match self.content:
            case Fp8Weight() as eight:
                content: Content = Fp8Weight(
                    weight=cut_tensor(eight.weight, (rows, columns)), weight_scale=eight.weight_scale
                )
            case Nvfp4Weight() as four:
                content = Nvfp4Weight(
                    weight=cut_tensor(four.weight, (rows, _in_units(columns, 2))),
                    weight_scale=cut_tensor(four.weight_scale, (rows, _in_units(columns, BLOCK))),
                    weight_scale_2=four.weight_scale_2,
                )
            case plain:
                content = cut_tensor(plain, (rows, columns))
        return StoredWeight(content, self.input_scale)


def quantise(weight: Tensor, precision: Precision) -> StoredWeight:
    """Round a plain weight to a precision. Raises ValueError for a width that NVFP4 cannot hold."""
    match precision:
        case "bf16":
            return StoredWeight(weight)
        case "fp8":
            return StoredWeight(fp8.quantise(weight))
        case "nvfp4":
            return StoredWeight(nvfp4.quantise(weight))


def stored_shapes(shape: tuple[int, int], precision: Precision) -> dict[str, tuple[int, ...]]:
    """The shapes of what `StoredWeight.tensors` holds for a weight of this shape, without input scale."""
    out, width = shape
    match precision:
        case "bf16":
            return {"weight": shape}
        case "fp8":
            return {"weight": shape, "weight_scale": ()}
        case "nvfp4":
            return {"weight": (out, width // 2), "weight_scale": (out, width // BLOCK), "weight_scale_2": ()}


def from_tensors(tensors: Mapping[str, Tensor], precision: Precision) -> StoredWeight:
    """The inverse of `StoredWeight.tensors`."""
    match precision:
        case "bf16":
            content: Content = tensors["weight"]
        case "fp8":
            content = Fp8Weight(weight=tensors["weight"], weight_scale=tensors["weight_scale"])
        case "nvfp4":
            content = Nvfp4Weight(
                weight=tensors["weight"],
                weight_scale=tensors["weight_scale"],
                weight_scale_2=tensors["weight_scale_2"],
            )
    return StoredWeight(content, tensors.get(INPUT_SCALE))


def cut_tensor(tensor: Tensor, strips: tuple[Strips | None, ...]) -> Tensor:
    """The strips of each axis: a view where every axis is one strip, else a copy."""
    for axis, kept in enumerate(strips):
        if kept is not None:
            parts = [tensor.narrow(axis, strip.start, strip.width) for strip in kept]
            tensor = parts[0] if len(parts) == 1 else torch.cat(parts, dim=axis)
    return tensor


def _in_units(strips: Strips | None, unit: int) -> Strips | None:
    return None if strips is None else tuple(Strip.in_units(strip, unit) for strip in strips)
