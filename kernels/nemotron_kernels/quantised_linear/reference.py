"""What does a quantised linear layer compute?"""

from typing import Protocol

from torch import Tensor
from torch.nn import functional as F

from nemotron_kernels.fp8 import reference as fp8
from nemotron_kernels.fp8.reference import Fp8Weight
from nemotron_kernels.nvfp4 import reference as nvfp4
from nemotron_kernels.nvfp4.reference import Nvfp4Weight

Weight = Tensor | Fp8Weight | Nvfp4Weight
"""[out, in] as it is stored; a plain tensor has the type of the inputs."""


def linear(x: Tensor, weight: Weight, input_scale: Tensor | None = None) -> Tensor:
    """x @ W.T for x [..., in], in the type of x. With a scale x is first rounded to the weight's format."""
    return F.linear(_rounded(x.float(), weight, input_scale), values(weight)).to(x.dtype)


def values(weight: Weight) -> Tensor:
    """The float32 numbers that a weight stands for."""
    match weight:
        case Fp8Weight():
            return fp8.dequantise(weight)
        case Nvfp4Weight():
            return nvfp4.dequantise(weight)
        case Tensor():
            return weight.float()


def shape_of(weight: Weight) -> tuple[int, int]:
    """Outputs and inputs."""
    match weight:
        case Fp8Weight(weight=codes) | (Tensor() as codes):
            return codes.shape[0], codes.shape[1]
        case Nvfp4Weight(weight=codes):
            return codes.shape[0], 2 * codes.shape[1]


def _rounded(x: Tensor, weight: Weight, input_scale: Tensor | None) -> Tensor:
    match weight:
        case Fp8Weight() if input_scale is not None:
            return fp8.dequantise(fp8.quantise(x, input_scale))
        case Nvfp4Weight() if input_scale is not None:
            rows = x.reshape(-1, x.shape[-1])
            return nvfp4.dequantise(nvfp4.quantise(rows, input_scale)).view(x.shape)
        case _:
            return x


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
