"""Which implementation of an op runs?

NEMOTRON_KERNELS forces one: `reference` is the definition in plain torch, `cpu` the fast path of x86
processors, `auto` (the default) the fastest that works here.
"""

import os
from collections.abc import Collection
from typing import Literal, get_args

Choice = Literal["reference", "cpu", "auto"]
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


def prefers_fbgemm(engines: Collection[str]) -> bool:
    """Whether float16 weights are multiplied by fbgemm, one of torch's engines on x86 alone."""
    asked = choice()
    available = "fbgemm" in engines
    if asked == "cpu" and not available:
        raise KernelUnavailable(
            f"{_VARIABLE}=cpu needs fbgemm, which this torch lacks; use auto or reference"
        )
    return available and asked != "reference"
