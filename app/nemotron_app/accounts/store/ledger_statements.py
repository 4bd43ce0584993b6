"""How is the ledger written in SQL? Built once, because each request runs all of it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Executable, bindparam, update
from sqlalchemy.dialects import postgresql, sqlite

from nemotron_app.accounts.store.schema import DailyUsageRow, InstanceRow, UsageRow

OPEN = "open"
_PLACE = ("day", "caller", "key_id", "variant")
_AMOUNTS = (
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "forwards",
    "milliseconds",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerStatements:
    """The statements of one dialect: dialects spell what to do about a conflict each in their own way."""

    enter: Executable
    change: Executable
    add: Executable
    beat: Executable

    @classmethod
    def of(cls, dialect: str) -> "LedgerStatements":
        insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
        return cls(enter=_enter(insert), change=_change(), add=_add(insert), beat=_beat(insert))


def _enter(insert: Any) -> Executable:
    """Enter a request, unless its id stands there; returns the id if it was entered."""
    statement: Executable = insert(UsageRow).on_conflict_do_nothing().returning(UsageRow.id)
    return statement


def _change() -> Executable:
    """Change an open request; returns what its day must know of it, or nothing if it is not open."""
    is_open = (UsageRow.id == bindparam("request_id"), UsageRow.status == OPEN)
    told = ("caller", "key_id", "variant", "created", *_AMOUNTS)
    return update(UsageRow).where(*is_open).returning(*(getattr(UsageRow, name) for name in told))


def _add(insert: Any) -> Executable:
    """Add to a day, or begin it."""
    statement = insert(DailyUsageRow)
    sums = {
        name: getattr(DailyUsageRow, name) + getattr(statement.excluded, name)
        for name in ("requests", *_AMOUNTS)
    }
    addition: Executable = statement.on_conflict_do_update(index_elements=_PLACE, set_=sums)
    return addition


def _beat(insert: Any) -> Executable:
    """Note when a process was last alive."""
    statement = insert(InstanceRow)
    beat: Executable = statement.on_conflict_do_update(
        index_elements=["id"], set_={"seen": statement.excluded.seen}
    )
    return beat
