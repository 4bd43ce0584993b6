"""How does an x86 processor multiply by float16 weights at the speed of its memory?

fbgemm reads float16, widens it in registers and sums in float32, so two bytes a weight are moved instead
of four. A row's result does not depend on how many rows there are.
"""

import torch
from torch import Tensor

_multiply = torch.ops.quantized.linear_dynamic_fp16.default
_pack = torch.ops.quantized.linear_prepack_fp16.default


class FbgemmLinear:
    """Values in fbgemm's float16 layout."""

    def __init__(self, values: Tensor, row_scale: Tensor) -> None:
        self._packed = _pack(values.float(), None)
        self._row_scale = row_scale
        self._num_values = values.numel()

    @property
    def num_bytes(self) -> int:
        return 2 * self._num_values + self._row_scale.nbytes

    def __call__(self, rows: Tensor) -> Tensor:
        result: Tensor = _multiply(rows, self._packed)
        return result.mul_(self._row_scale)
