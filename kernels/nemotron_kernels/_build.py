"""For which types and constants is a kernel compiled, and what must its binary hold?

A kernel's module ends with `BUILDS`, one for each way in which real layers call it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Target = Literal["sm_80", "sm_90", "sm_100", "sm_120"]
TARGETS: tuple[Target, ...] = get_args(Target)
"""Ampere, Hopper, Blackwell in data centres, Blackwell in workstations."""


@dataclass(frozen=True, slots=True)
class Build:
    """One specialisation of a kernel at the constants of a real layer."""

    name: str
    kernel: Any
    """The function under `@triton.jit`."""

    signature: Mapping[str, str]
    """Types of the arguments that are no constants, as Triton writes them: `*fp32`, `*bf16`, `*u8`, `i32`."""

    constants: Mapping[str, Any] = field(default_factory=dict)
    num_warps: int = 4
    num_stages: int = 3
    divisible: tuple[str, ...] = ()
    """Integer arguments that are multiples of 16 in real calls; pointers always are."""

    instructions: Mapping[Target, str] = field(default_factory=dict)
    """What must stand in the machine code: `HMMA`, `HGMMA`, `UTCHMMA`, `OMMA`, ..."""

    unsupported: Mapping[Target, str] = field(default_factory=dict)
    """Targets that cannot run it, each with the reason."""
