"""What are all experts of a layer, held as short as they are stored?"""

import ctypes
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nemotron_kernels.native.library import NativeCode
from nemotron_kernels.native.linear import NativeLinear
from nemotron_kernels.native.weight import Described, Held, Weight, describe, held, stacked
from nemotron_kernels.nvfp4 import BLOCK
from nemotron_kernels.router import Routing

if TYPE_CHECKING:
    from nemotron_kernels.grouped_experts.reference import Visits


class _Stack(ctypes.Structure):
    """`stack` of source/experts.c."""

    _fields_ = [
        ("first", Described),
        *((name, ctypes.c_int64) for name in ("numbers_step", "scales_step", "row_scale_step")),
    ]


class NativeExperts:
    """A linear map an expert; every tensor of `whole` has the experts as its first axis."""

    def __init__(self, code: NativeCode, whole: Held) -> None:
        self.held = whole
        self._code = code
        first, self._alive = describe(_expert(whole, 0), None, None)
        self._stack = _Stack(
            first,
            whole.numbers.stride(0) * whole.numbers.itemsize,
            0 if whole.block_scale is None else whole.block_scale.stride(0),
            0 if whole.row_scale is None else whole.row_scale.stride(0),
        )
        self.address = ctypes.addressof(self._stack)

    @property
    def num_bytes(self) -> int:
        """Bytes of what is looked at."""
        return self.held.num_bytes

    @property
    def width(self) -> int:
        """Outputs of an expert."""
        return self.held.numbers.shape[1]

    def cut(self, num_experts: int, num_rows: int, num_columns: int) -> "NativeExperts":
        """The first experts, rows and columns, over the same memory."""
        whole, width = self.held, num_columns // self.held.columns_a_number
        block_scale, row_scale = whole.block_scale, whole.row_scale
        return NativeExperts(
            self._code,
            Held(
                whole.numbers[:num_experts, :num_rows, :width],
                None if block_scale is None else block_scale[:num_experts, :num_rows, : num_columns // BLOCK],
                None if row_scale is None else row_scale[:num_experts, :num_rows],
            ),
        )

    def map(self, rows: Tensor, visits: "Visits") -> Tensor:
        """Send every row through the expert that it visits."""
        return torch.cat(
            [NativeLinear(self._code, _expert(self.held, expert))(part) for expert, part in visits.each(rows)]
        )

    def send(self, rows: Tensor, routing: Routing, down: "NativeExperts") -> Tensor:
        """`grouped_experts`, this being the map up."""
        if rows.stride(-1) != 1:
            rows = rows.contiguous()
        experts, weights = routing.experts.contiguous(), routing.weights.contiguous()
        out = rows.new_empty(len(rows), down.width)
        self._code.grouped_experts(
            self.address,
            down.address,
            rows.data_ptr(),
            rows.stride(0),
            len(rows),
            experts.data_ptr(),
            weights.data_ptr(),
            experts.shape[1],
            out.data_ptr(),
            torch.get_num_threads(),
        )
        return out


def native_experts(code: NativeCode, weights: Sequence[Weight]) -> NativeExperts:
    """The experts' maps, all in one format."""
    parts = [held(weight) for weight in weights]
    return NativeExperts(code, stacked(parts).placed(code.memory))


def _expert(whole: Held, expert: int) -> Held:
    block_scale, row_scale = whole.block_scale, whole.row_scale
    return Held(
        whole.numbers[expert],
        None if block_scale is None else block_scale[expert],
        None if row_scale is None else row_scale[expert],
    )
