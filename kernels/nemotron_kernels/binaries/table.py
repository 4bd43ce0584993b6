"""How are the figures of binaries kept, and how are they shown?"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nemotron_kernels._build import TARGETS, Target
from nemotron_kernels.binaries.binary import REFUSED, Binary

_NAME, _CELL = 46, 26

Row = Mapping[Target, Binary | str]
"""Of one build: for each target its binary, or why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows by `op/build`, as one release of Triton compiles them."""

    triton: str
    rows: Mapping[str, Row]


def load(path: Path) -> Table:
    kept = json.loads(path.read_text("utf-8"))
    rows = {name: _row(row) for name, row in kept["rows"].items()}
    return Table(triton=kept["triton"], rows=rows)


def save(table: Table, path: Path) -> None:
    """One line a cell, so that a change reads well."""
    text = ",\n".join(
        f"  {json.dumps(name)}: {{\n{_lines(row)}\n  }}" for name, row in sorted(table.rows.items())
    )
    path.write_text(f'{{\n "triton": {json.dumps(table.triton)},\n "rows": {{\n{text}\n }}\n}}\n', "utf-8")


def shown(name: str, row: Row) -> str:
    """A line of the printed table."""
    return f"{name:<{_NAME}}" + "".join(
        f" {_short(row[target]):<{_CELL}}" for target in TARGETS if target in row
    )


def heading() -> str:
    return f"{'registers, spills, shared memory':<{_NAME}}" + "".join(
        f" {target:<{_CELL}}" for target in TARGETS
    )


def _lines(row: Row) -> str:
    cells = {target: cell if isinstance(cell, str) else asdict(cell) for target, cell in row.items()}
    return ",\n".join(f"   {json.dumps(target)}: {json.dumps(cell)}" for target, cell in cells.items())


def _row(kept: Mapping[Target, Any]) -> Row:
    return {target: _cell(kept[target]) for target in TARGETS}


def _cell(kept: str | dict[str, Any]) -> Binary | str:
    if isinstance(kept, str):
        return kept
    return Binary(**(kept | {"instructions": tuple(kept["instructions"])}))


def _short(cell: Binary | str) -> str:
    if isinstance(cell, str):
        return "refused" if cell.startswith(REFUSED) else "-"
    spills = f" {cell.spills} spills" if cell.spills else ""
    kilobytes = f" {-(-cell.shared // 1024)}K" if cell.shared else ""
    return f"{cell.registers}{spills}{kilobytes} {' '.join(cell.instructions)}".strip()
