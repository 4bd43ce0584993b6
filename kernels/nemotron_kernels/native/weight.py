"""How is a weight held so that native code reads any strips of it where they lie?"""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nemotron_kernels.fp8 import Fp8Weight
from nemotron_kernels.native.memory import Memory
from nemotron_kernels.nvfp4 import BLOCK, Nvfp4Weight

Span = tuple[int, int]
Weight = Tensor | Fp8Weight | Nvfp4Weight

# The order of `enum format` in source/weight.h, and how many columns one number of it holds.
_FORMATS = {torch.bfloat16: (0, 1), torch.float8_e4m3fn: (1, 1), torch.uint8: (2, 2), torch.float32: (3, 1)}


class Described(ctypes.Structure):
    """`weight` of source/weight.h."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("format", "num_rows", "num_strips")),
        ("numbers", ctypes.c_void_p),
        ("stride", ctypes.c_int64),
        ("block_scales", ctypes.c_void_p),
        ("block_stride", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("row_scale", "row_of", "strips")),
    ]


@dataclass(frozen=True, slots=True)
class Held:
    """Numbers in a format's own type [rows, columns, or half of them for NVFP4], and their scales.

    `block_scale` is float8_e4m3fn [rows, columns / 16], `row_scale` float32 [rows]; each may be missing.
    """

    numbers: Tensor
    block_scale: Tensor | None = None
    row_scale: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, width = self.numbers.shape
        return rows, width * self.columns_a_number

    @property
    def columns_a_number(self) -> int:
        """How many columns one number holds."""
        return _FORMATS[self.numbers.dtype][1]

    def placed(self, memory: Memory) -> "Held":
        """A copy that is read faster."""
        block_scale, row_scale = self.block_scale, self.row_scale
        return Held(
            memory.place(self.numbers),
            None if block_scale is None else memory.place(block_scale),
            None if row_scale is None else memory.place(row_scale),
        )

    @property
    def num_bytes(self) -> int:
        parts = (self.numbers, self.block_scale, self.row_scale)
        return sum(part.nbytes for part in parts if part is not None)


def is_short(weight: Weight) -> bool:
    """Whether `held` keeps every number of it."""
    if not isinstance(weight, Tensor) or weight.dtype == torch.bfloat16:
        return True
    return torch.equal(weight.to(torch.bfloat16).to(weight.dtype), weight)


def held(weight: Weight) -> Held:
    """One weight [out, in] as a checkpoint stores it; plain numbers are rounded to bfloat16."""
    match weight:
        case Fp8Weight() as eight:
            return Held(eight.weight.contiguous(), None, _repeated(eight.weight_scale, len(eight.weight)))
        case Nvfp4Weight() as four:
            scale = _repeated(four.weight_scale_2, len(four.weight))
            return Held(four.weight.contiguous(), four.weight_scale.contiguous(), scale)
        case plain:
            return Held(plain.to(torch.bfloat16).contiguous())


def joined(parts: Sequence[Held]) -> Held:
    """Weights of one format and width, one above the other."""
    if len(parts) == 1:
        return parts[0]
    return _merged(parts, torch.cat)


def stacked(parts: Sequence[Held]) -> Held:
    """Weights of one format and shape, with a first axis of their numbers."""
    return _merged(parts, torch.stack)


def describe(
    weight: Held, rows: Sequence[Span] | None, columns: Sequence[Span] | None
) -> tuple[Described, list[Any]]:
    """What native code is told of strips of a weight, and what must live as long as that."""
    if rows is not None and len(rows) == 1:
        weight, rows = _rows(weight, slice(*rows[0])), None
    num_rows, num_columns = weight.shape
    strips = torch.tensor([(start, stop - start) for start, stop in columns or [(0, num_columns)]])
    if weight.block_scale is not None and bool((strips % BLOCK).any()):
        raise ValueError(f"NVFP4 is cut between blocks of {BLOCK} columns, not at {columns}")
    row_of = None if rows is None else torch.cat([torch.arange(*span, dtype=torch.int32) for span in rows])
    described = Described(
        format=_FORMATS[weight.numbers.dtype][0],
        num_rows=num_rows if row_of is None else len(row_of),
        num_strips=len(strips),
        numbers=weight.numbers.data_ptr(),
        stride=weight.numbers.stride(0) * weight.numbers.itemsize,
        block_scales=_address(weight.block_scale),
        block_stride=0 if weight.block_scale is None else weight.block_scale.stride(0),
        row_scale=_address(weight.row_scale),
        row_of=_address(row_of),
        strips=strips.data_ptr(),
    )
    return described, [weight, strips, row_of]


def _rows(weight: Held, rows: slice) -> Held:
    block_scale, row_scale = weight.block_scale, weight.row_scale
    return Held(
        weight.numbers[rows],
        None if block_scale is None else block_scale[rows],
        None if row_scale is None else row_scale[rows],
    )


def _repeated(scale: Tensor, count: int) -> Tensor:
    return scale.float().expand(count).contiguous()


def _merged(parts: Sequence[Held], merge: Callable[[list[Tensor]], Tensor]) -> Held:
    numbers, block_scales, row_scales = (
        [getattr(part, name) for part in parts] for name in ("numbers", "block_scale", "row_scale")
    )
    # E4M3 cannot be put together by itself in every release of torch, its bytes can.
    kind = numbers[0].dtype
    codes = [part.view(torch.uint8) if kind == torch.float8_e4m3fn else part for part in numbers]
    return Held(
        merge(codes).view(kind),
        None
        if block_scales[0] is None
        else merge([s.view(torch.uint8) for s in block_scales]).view(block_scales[0].dtype),
        None if row_scales[0] is None else merge(row_scales),
    )


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()
