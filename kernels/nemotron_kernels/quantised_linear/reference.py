"""What does a quantised linear layer compute?"""

from typing import Protocol

from torch import Tensor
from torch.nn import functional as F


class Linear(Protocol):
    """Maps float32 rows [rows, in] to float32 rows [rows, out]."""

    @property
    def num_bytes(self) -> int:
        """Bytes of memory that the weight holds."""
        ...

    def __call__(self, rows: Tensor) -> Tensor: ...


class ReferenceLinear:
    """The definition, with float32 values in memory."""

    def __init__(self, values: Tensor, row_scale: Tensor | None) -> None:
        self._values = values.float()
        self._row_scale = row_scale

    @property
    def num_bytes(self) -> int:
        return self._values.nbytes + (0 if self._row_scale is None else self._row_scale.nbytes)

    def __call__(self, rows: Tensor) -> Tensor:
        result = F.linear(rows, self._values)
        return result if self._row_scale is None else result.mul_(self._row_scale)
