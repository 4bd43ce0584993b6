"""Which implementation of an op runs?

NEMOTRON_KERNELS forces one: `reference` is the definition in plain torch, `triton` the kernels of NVIDIA
GPUs, `cpu` the fast path of x86 processors, `auto` (the default) the fastest that works here.
"""

import os
from collections.abc import Collection
from functools import cache
from importlib.util import find_spec
from typing import Literal, get_args

from torch import Tensor

Choice = Literal["reference", "triton", "cpu", "auto"]
_VARIABLE = "NEMOTRON_KERNELS"
_CHOICES: dict[str, Choice] = {choice: choice for choice in get_args(Choice)}


class KernelUnavailable(Exception):
    """The implementation that was asked for does not work on this machine."""


def choice() -> Choice:
    """What the environment asks for. Raises ValueError for an unknown word."""
    asked = os.environ.get(_VARIABLE, "auto")
    if asked in _CHOICES:
        return _CHOICES[asked]
    raise ValueError(f"{_VARIABLE} must be one of {', '.join(_CHOICES)}, not {asked!r}")


def runs_triton(tensor: Tensor) -> bool:
    """Whether Triton's kernel computes on `tensor`: on a GPU, or where it is forced and interpreted."""
    asked = choice()
    if asked == "auto":
        # The kernels have no gradient; the references do.
        return tensor.is_cuda and not tensor.requires_grad and _has_triton()
    if asked != "triton":
        return False
    if not _has_triton():
        raise KernelUnavailable(f"{_VARIABLE}=triton needs Triton; install it, or use auto or reference")
    if not tensor.is_cuda and not is_interpreted():
        raise KernelUnavailable(
            f"{_VARIABLE}=triton needs tensors of an NVIDIA GPU, not of {tensor.device}; use auto or "
            "reference, or set TRITON_INTERPRET=1 to run the kernels slowly without a GPU"
        )
    return True


def is_interpreted() -> bool:
    """Whether Triton's kernels run in its interpreter, as tests have them."""
    return os.environ.get("TRITON_INTERPRET", "").lower() in {"1", "true", "on", "yes", "y"}


def prefers_fbgemm(engines: Collection[str]) -> bool:
    """Whether float16 weights are multiplied by fbgemm, one of torch's engines on x86 alone."""
    asked = choice()
    available = "fbgemm" in engines
    if asked == "cpu" and not available:
        raise KernelUnavailable(
            f"{_VARIABLE}=cpu needs fbgemm, which this torch lacks; use auto or reference"
        )
    return available and asked in ("cpu", "auto")


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None
