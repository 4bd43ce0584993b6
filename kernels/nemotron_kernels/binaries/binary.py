"""What does a compiled kernel need, as far as its machine code tells?"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

REFUSED = "does not compile"
"""How the place of a binary begins where the compiler refused."""

# Products of tensor cores: Ampere's and Hopper's families, then those of the two Blackwells.
_TENSOR_CORE = re.compile(r"(H|I|Q|O|D|B)?MMA|(H|I|Q|O)GMMA|UTC(H|I|Q|O)MMA")
_LOCAL_MEMORY = {"LDL", "STL"}
_INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)", re.MULTILINE)
_STACK = re.compile(r"\bSTACK:[1-9]|\bLOCAL:[1-9]")
_REGISTERS = re.compile(r"\bREG:(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """One build for one target."""

    registers: int
    """Of one thread; 255 is the most there is."""

    spills: int
    """Instructions that move registers to memory and back."""

    shared: int
    """Bytes of shared memory of one block."""

    instructions: tuple[str, ...]
    """Kinds of tensor-core instructions."""


def has_stack(resources: str) -> bool:
    """Whether a thread has memory of its own: without it nothing can be spilled."""
    return _STACK.search(resources) is not None


def read(resources: str, machine_code: str | None, shared: int) -> Binary:
    """From what `cuobjdump --dump-resource-usage` and `nvdisasm` print; None of code that needs no look."""
    registers = _REGISTERS.search(resources)
    names = [] if machine_code is None else _INSTRUCTION.findall(machine_code)
    if registers is None or (machine_code is not None and not names):
        raise ValueError(f"no kernel in {resources!r}, {machine_code!r:.200}")
    roots = [name.partition(".")[0] for name in names]
    return Binary(
        registers=int(registers[1]),
        spills=sum(root in _LOCAL_MEMORY for root in roots),
        shared=shared,
        instructions=_tensor_core(roots),
    )


def _tensor_core(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name for name in names if _TENSOR_CORE.fullmatch(name)}))
