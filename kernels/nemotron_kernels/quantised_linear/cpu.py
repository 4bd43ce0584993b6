"""How does an x86 processor multiply by float16 weights at the speed of its memory?

fbgemm reads float16, widens it in registers and sums in float32, so two bytes a weight are moved instead
of four. A row's result does not depend on how many rows there are.

torch has two ways to the same code. The older one is called in 1 us, and torch means to drop it; the newer
one takes 11 us more a call, a third of a small network's step.
"""

import warnings
from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from typing import Any

import torch
from torch import Tensor

_Multiply = Callable[[Tensor], Tensor]

# fbgemm lays a matrix out in blocks of so many outputs and inputs, and fills the last ones up.
_BLOCK = (16, 512)


class FbgemmLinear:
    """Values in fbgemm's float16 layout."""

    def __init__(self, values: Tensor, row_scale: Tensor | None) -> None:
        self._multiply = older(values.float()) if has_older() else newer(values.float())
        self._row_scale = row_scale
        self._num_held = packed_bytes(values.shape)

    @property
    def num_bytes(self) -> int:
        return self._num_held + (0 if self._row_scale is None else self._row_scale.nbytes)

    def __call__(self, rows: Tensor) -> Tensor:
        result = self._multiply(rows)
        return result if self._row_scale is None else result.mul_(self._row_scale)


def packed_bytes(shape: Sequence[int]) -> int:
    """Bytes that fbgemm holds for a matrix [outputs, inputs]."""
    return 2 * prod(-(-length // block) * block for length, block in zip(shape, _BLOCK, strict=True))


@cache
def has_older() -> bool:
    """Whether this torch has the older way; the first use of it warns that it will go."""
    if not hasattr(torch, "fbgemm_pack_gemm_matrix_fp16"):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        older(torch.ones(1, 1))(torch.ones(1, 1))
    return True


def older(values: Tensor) -> _Multiply:
    """Through the entry that is called fast."""
    multiply: Any = torch.fbgemm_linear_fp16_weight_fp32_activation
    packed = torch.fbgemm_pack_gemm_matrix_fp16(values)
    return lambda rows: multiply(rows, packed, None)


def newer(values: Tensor) -> _Multiply:
    """Through the entry that stays."""
    packed = torch.ops.quantized.linear_prepack_fp16.default(values, None)
    return lambda rows: torch.ops.quantized.linear_dynamic_fp16.default(rows, packed)
