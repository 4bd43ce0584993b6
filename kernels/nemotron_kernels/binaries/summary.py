"""What do the binaries of each op need, in few words?"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from nemotron_kernels._build import TARGETS, Target
from nemotron_kernels.binaries.binary import Binary
from nemotron_kernels.binaries.table import Row, Table

_BEGIN, _END = "<!-- binaries -->\n", "<!-- /binaries -->"


def renew(document: Path, table: Table) -> None:
    """Put the summary between the document's two marks."""
    before, _, rest = document.read_text("utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    document.write_text(f"{before}{_BEGIN}{summary(table)}{_END}{after}", "utf-8")


def summary(table: Table) -> str:
    return "".join(f"{line}\n" for line in _lines(table))


def _lines(table: Table) -> Iterator[str]:
    """A table in Markdown: each op's builds, the most registers of any, spills, and its products."""
    yield f"| op | builds | {' | '.join(TARGETS)} |"
    yield f"|---|---|{'---|' * len(TARGETS)}"
    ops: dict[str, list[Row]] = {}
    for name, row in sorted(table.rows.items()):
        ops.setdefault(name.partition("/")[0], []).append(row)
    for op, rows in ops.items():
        yield f"| `{op}` | {len(rows)} | {' | '.join(_worst(rows, target) for target in TARGETS)} |"


def _worst(rows: Sequence[Row], target: Target) -> str:
    binaries = [cell for row in rows if isinstance(cell := row[target], Binary)]
    if not binaries:
        return "no"
    parts = [str(max(binary.registers for binary in binaries))]
    parts += sorted({instruction for binary in binaries for instruction in binary.instructions})
    if spills := sum(binary.spills for binary in binaries):
        parts.append(f"{spills} spills")
    if lacking := len(rows) - len(binaries):
        parts.append(f"{lacking} not built")
    return ", ".join(parts)
