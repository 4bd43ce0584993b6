"""What is a linear layer whose weight native code reads?"""

import ctypes
from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor

from nemotron_kernels.native.library import NativeCode
from nemotron_kernels.native.weight import Held, Span, Weight, describe, held, joined


class NativeLinear:
    """Strips of the rows and columns of a weight, or all of it; outputs and inputs lie end to end."""

    def __init__(
        self,
        code: NativeCode,
        weight: Held,
        rows: Sequence[Span] | None = None,
        columns: Sequence[Span] | None = None,
    ) -> None:
        self.weight = weight
        self._code = code
        self._cut = rows, columns
        self._described, self._alive = describe(weight, _as_whole(rows, weight.shape[0]), columns)
        self._address = ctypes.addressof(self._described)
        self._num_rows: int = self._described.num_rows
        self._num_columns = sum(stop - start for start, stop in columns or [(0, weight.shape[1])])

    @property
    def address(self) -> int:
        """Where native code finds the description, as long as this object lives."""
        return self._address

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs."""
        return self._num_rows, self._num_columns

    @property
    def num_bytes(self) -> int:
        """Bytes of the whole weight, which every strip of it shares."""
        return self.weight.num_bytes

    def cut(self, rows: Sequence[Span] | None, columns: Sequence[Span] | None) -> "NativeLinear":
        """Strips of a map that is whole."""
        if self._cut != (None, None):
            raise ValueError("strips are cut out of a whole weight")
        return NativeLinear(self._code, self.weight, rows, columns)

    def __call__(self, rows: Tensor) -> Tensor:
        if rows.shape[-1] != self._num_columns or rows.dtype != torch.float32:
            raise ValueError(f"{tuple(rows.shape)} {rows.dtype} does not go through {self.shape} float32")
        if rows.stride(-1) != 1:
            rows = rows.contiguous()
        out = rows.new_empty(len(rows), self._num_rows)
        self._code.map_rows(
            self._address,
            rows.data_ptr(),
            rows.stride(0),
            out.data_ptr(),
            self._num_rows,
            len(rows),
            torch.get_num_threads(),
        )
        return out


class StackedLinear:
    """Maps of one input in several formats, whose outputs lie end to end."""

    def __init__(self, parts: Sequence[NativeLinear]) -> None:
        self.parts = tuple(parts)

    @property
    def num_bytes(self) -> int:
        return sum(part.num_bytes for part in self.parts)

    def cut(self, rows: Sequence[Span] | None, columns: Sequence[Span] | None) -> "StackedLinear":
        """The same between fewer inputs."""
        if rows is not None:
            raise ValueError("outputs of several formats are not cut")
        return StackedLinear([part.cut(None, columns) for part in self.parts])

    def __call__(self, rows: Tensor) -> Tensor:
        return torch.cat([part(rows) for part in self.parts], dim=-1)


def native_linear(code: NativeCode, weights: Sequence[Weight]) -> NativeLinear | StackedLinear:
    """One map of weights [out, in] as they are stored, one above the other; plain ones become bfloat16."""
    parts = [held(weight) for weight in weights]
    runs = [list(run) for _, run in groupby(parts, key=lambda part: part.numbers.dtype)]
    linears = [NativeLinear(code, joined(run).placed(code.memory)) for run in runs]
    return linears[0] if len(linears) == 1 else StackedLinear(linears)


def _as_whole(rows: Sequence[Span] | None, num_rows: int) -> Sequence[Span] | None:
    """None for strips that are all rows, which are then not looked up."""
    return None if rows is not None and list(rows) == [(0, num_rows)] else rows
