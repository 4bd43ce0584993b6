"""Which random tensors stand in for a network's?"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nemotron_backend.request import Precision
from nemotron_kernels.fp8 import Fp8Weight
from nemotron_kernels.nvfp4 import BLOCK, Nvfp4Weight
from nemotron_kernels.quantised_linear import Weight

# The root mean square of E2M1's sixteen values.
_SPREAD_OF_CODES = 3.0


@dataclass(frozen=True, slots=True)
class Tensors:
    """Numbers of one random stream, on one device."""

    generator: torch.Generator

    @classmethod
    def on(cls, device: torch.device, seed: int = 0) -> "Tensors":
        return cls(torch.Generator(device).manual_seed(seed))

    @property
    def device(self) -> torch.device:
        return self.generator.device

    def normal(self, *shape: int, spread: float = 1.0, dtype: torch.dtype = torch.bfloat16) -> Tensor:
        numbers = torch.randn(shape, generator=self.generator, device=self.device, dtype=torch.float32)
        return numbers.mul_(spread).to(dtype)

    def bits(self, *shape: int, below: int = 256, dtype: torch.dtype = torch.uint8) -> Tensor:
        return torch.randint(0, below, shape, generator=self.generator, device=self.device, dtype=dtype)

    def weight(self, precision: Precision, outputs: int, inputs: int) -> Weight:
        """A matrix that leaves the spread of its inputs about as it was."""
        spread = 1 / math.sqrt(inputs)
        match precision:
            case "bf16":
                return self.normal(outputs, inputs, spread=spread)
            case "fp8":
                codes = self.normal(outputs, inputs, dtype=torch.float8_e4m3fn)
                return Fp8Weight(weight=codes, weight_scale=self.number(spread))
            case "nvfp4":
                return Nvfp4Weight(
                    weight=self.bits(outputs, inputs // 2),
                    weight_scale=self.block_scales(outputs, inputs // BLOCK),
                    weight_scale_2=self.number(spread / _SPREAD_OF_CODES),
                )

    def block_scales(self, *shape: int) -> Tensor:
        """E4M3 scales around 1."""
        return self.normal(*shape, spread=0.2, dtype=torch.float32).add_(1).to(torch.float8_e4m3fn)

    def number(self, value: float) -> Tensor:
        return torch.tensor(value, device=self.device)

    def integers(self, *values: int) -> Tensor:
        return torch.tensor(values, dtype=torch.int32, device=self.device)
