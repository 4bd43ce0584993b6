"""Which products do a GPU's tensor cores know?"""

import torch
from torch import Tensor

from nemotron_kernels._choice import KernelUnavailable

Capability = tuple[int, int]

FIRST_WITH_E4M3: Capability = (8, 9)
FIRST_WITH_BLOCK_SCALES: Capability = (10, 0)


def capability_of(tensor: Tensor) -> Capability | None:
    """Of the GPU that holds a tensor; None where kernels are interpreted, which knows everything."""
    return torch.cuda.get_device_capability(tensor.device) if tensor.is_cuda else None


def refuse_w8a8(capability: Capability | None) -> None:
    if capability is not None and capability < FIRST_WITH_E4M3:
        raise KernelUnavailable(
            "FP8 times FP8 needs an NVIDIA GPU from Ada or Hopper on; without an input scale FP8 weights are "
            "multiplied by 16-bit inputs (W8A16)"
        )


def refuse_w4a4(capability: Capability | None) -> None:
    if capability is not None and capability < FIRST_WITH_BLOCK_SCALES:
        raise KernelUnavailable(
            "NVFP4 times NVFP4 needs an NVIDIA GPU from Blackwell on; without an input scale NVFP4 weights "
            "are multiplied by 16-bit inputs (W4A16)"
        )
