"""What stands in a line of the table?"""

from dataclasses import dataclass, field

from nemotron_backend.gpu_check.case import Case

_COLUMNS = f"{'op':<19}{'what':<58}{'':<7}{'MB':>9}{'floor us':>10}{'us':>10}{'of floor':>10}{'error':>9}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case: its floor in seconds, and what was measured or why nothing was."""

    case: Case
    floor: float
    seconds: float | None = None
    error: float | None = None
    is_cold: bool = True
    peers: dict[str, float] = field(default_factory=dict)
    remark: str = ""

    @property
    def is_wrong(self) -> bool:
        return self.error is not None and self.error > self.case.tolerance

    @property
    def share(self) -> float | None:
        """Of the floor that the measured time reaches; more than 1 would be a mistake or a warm cache."""
        return None if self.seconds is None else self.floor / self.seconds


def heading() -> str:
    return f"{_COLUMNS}  remarks"


def line(row: Row) -> str:
    case, blank = row.case, "-"
    seconds = blank if row.seconds is None else f"{1e6 * row.seconds:.1f}"
    share = blank if row.share is None else f"{row.share:.0%}"
    error = blank if row.error is None else f"{row.error:.1e}"
    figures = f"{case.floor.num_bytes / 1e6:9.2f}{1e6 * row.floor:10.2f}{seconds:>10}{share:>10}{error:>9}"
    return f"{case.floor.op:<19}{case.title:<58}{case.precision:<7}{figures}  {'; '.join(_remarks(row))}"


def _remarks(row: Row) -> list[str]:
    remarks = [row.remark] if row.remark else []
    if row.is_wrong:
        remarks.append(f"WRONG: error above {row.case.tolerance}")
    if row.seconds is not None and not row.is_cold:
        remarks.append("caches in part warm")
    return remarks + [f"{name} {1e6 * seconds:.1f} us" for name, seconds in row.peers.items()]
