"""Is a kernel worse than it was?

Registers may grow by a few: the compiler's choices move with any change of the source, and a few registers
rarely cost a resident warp. A spill, a byte of shared memory and a tensor-core instruction are no such noise.
"""

from collections.abc import Iterator

from nemotron_kernels._build import Build, Target
from nemotron_kernels.binaries.binary import Binary
from nemotron_kernels.binaries.table import Row, Table

MARGIN = 8
"""Registers a thread."""

# The most that a block can ask for; a launch beyond it fails.
_SHARED_MEMORY = {"sm_80": 166_912, "sm_90": 232_448, "sm_100": 232_448, "sm_120": 101_376}


def broken_promises(name: str, build: Build, row: Row) -> Iterator[str]:
    """What the build itself says of its binaries and is not so."""
    refused = {cell for cell in row.values() if isinstance(cell, str)} - {*build.unsupported.values()}
    for reason in sorted(refused):
        yield f"{name} on {' '.join(target for target, cell in row.items() if cell == reason)}: {reason}"
    for target, cell in row.items():
        if isinstance(cell, Binary):
            yield from (f"{name} on {target}: {text}" for text in _broken(build, target, cell))


def _broken(build: Build, target: Target, binary: Binary) -> Iterator[str]:
    instruction = build.instructions.get(target)
    if instruction is not None and instruction not in binary.instructions:
        yield f"{instruction} is gone, it has {' '.join(binary.instructions) or 'none'}"
    if binary.shared > _SHARED_MEMORY[target]:
        yield f"{binary.shared} bytes of shared memory exceed {_SHARED_MEMORY[target]}"


def regressions(kept: Table, found: Table) -> Iterator[str]:
    """What got worse since the table was written, and which rows it lacks or has too many."""
    if kept.triton != found.triton:
        yield f"the table is of Triton {kept.triton}, this is {found.triton}"
    for name in sorted({*kept.rows, *found.rows}):
        if name not in kept.rows:
            yield f"{name}: not in the table"
        elif name not in found.rows:
            yield f"{name}: in the table, but there is no such build"
        else:
            yield from _worse_row(name, kept.rows[name], found.rows[name])


def _worse_row(name: str, kept: Row, found: Row) -> Iterator[str]:
    for target in sorted({*kept, *found}):
        before, after = kept.get(target), found.get(target)
        if isinstance(before, Binary) and isinstance(after, Binary):
            yield from (f"{name} on {target}: {text}" for text in _worse(before, after))
        elif before != after:
            yield f"{name} on {target}: was {before}, is {after}"


def _worse(before: Binary, after: Binary) -> Iterator[str]:
    if after.spills > before.spills:
        yield f"{after.spills} spills, were {before.spills}"
    if after.shared > before.shared:
        yield f"{after.shared} bytes of shared memory, were {before.shared}"
    if after.registers > before.registers + MARGIN:
        yield f"{after.registers} registers, were {before.registers}"
    for lost in sorted({*before.instructions} - {*after.instructions}):
        yield f"lost {lost}"
