"""How is the ledger written in SQL? Built once, because each request runs all of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    Date,
    Executable,
    Update,
    bindparam,
    cast,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from nemotron_app.accounts.store.schema import DailyUsageRow, InstanceRow, UsageRow

OPEN = "open"
AMOUNTS = (
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "forwards",
    "milliseconds",
)
_PLACE = ("day", "caller", "key_id", "variant")
_ENDING: tuple[str, ...] = ("status", "closed")
_ENDINGS = (_ENDING, (*AMOUNTS, *_ENDING))
_TOLD = ("caller", "key_id", "variant", "created", *AMOUNTS)

Close = Callable[[Connection, dict[str, Any]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerStatements:
    """The statements of one dialect: dialects spell what to do about a conflict each in their own way.

    `close` ends an open request, at its amounts or at what is known of them, and adds it to its day; it
    tells whether there was one.
    """

    enter: Executable
    change: Executable
    beat: Executable
    close: Close

    @classmethod
    def of(cls, dialect: str) -> "LedgerStatements":
        is_sqlite = dialect == "sqlite"
        insert = sqlite.insert if is_sqlite else postgresql.insert
        close = _close_in_two(insert) if is_sqlite else _close_in_one(insert)
        return cls(enter=_enter(insert), change=_change(AMOUNTS), beat=_beat(insert), close=close)


def _enter(insert: Any) -> Executable:
    """Enter a request, unless its id stands there; returns the id if it was entered."""
    statement: Executable = insert(UsageRow).on_conflict_do_nothing().returning(UsageRow.id)
    return statement


def _change(names: Sequence[str]) -> Update:
    """Change an open request."""
    is_open = (UsageRow.id == bindparam("request_id"), UsageRow.status == OPEN)
    return update(UsageRow).where(*is_open).values({name: bindparam(name) for name in names})


def _closing(values: dict[str, Any]) -> tuple[str, ...]:
    return _ENDINGS[AMOUNTS[0] in values]


def _close_in_two(insert: Any) -> Close:
    """SQLite cannot write two tables in one statement."""
    changes = {
        names: _change(names).returning(*(getattr(UsageRow, name) for name in _TOLD)) for names in _ENDINGS
    }
    add = _adding(insert(DailyUsageRow))

    def close(connection: Connection, values: dict[str, Any]) -> bool:
        row = connection.execute(changes[_closing(values)], values).mappings().first()
        if row is None:
            return False
        day = {name: value for name, value in row.items() if name != "created"}
        connection.execute(add, day | {"day": row["created"].date(), "requests": 1})
        return True

    return close


def _close_in_one(insert: Any) -> Close:
    """One statement is one trip, and whole by itself."""
    statements = {names: _combined(insert, names) for names in _ENDINGS}

    def close(connection: Connection, values: dict[str, Any]) -> bool:
        return connection.execute(statements[_closing(values)], values).first() is not None

    return close


def _combined(insert: Any, names: Sequence[str]) -> Executable:
    changed = _change(names).returning(*(getattr(UsageRow, name) for name in _TOLD)).cte("changed")
    day = cast(func.timezone("UTC", changed.c.created), Date)
    columns = ("caller", "key_id", "variant", *AMOUNTS)
    chosen = select(day, literal(1), *(changed.c[name] for name in columns))
    statement = insert(DailyUsageRow).from_select(("day", "requests", *columns), chosen)
    combined: Executable = _adding(statement).returning(DailyUsageRow.day)
    return combined


def _adding(statement: Any) -> Any:
    """Add to a day, or begin it."""
    sums = {
        name: getattr(DailyUsageRow, name) + getattr(statement.excluded, name)
        for name in ("requests", *AMOUNTS)
    }
    return statement.on_conflict_do_update(index_elements=_PLACE, set_=sums)


def _beat(insert: Any) -> Executable:
    """Note when a process was last alive."""
    statement = insert(InstanceRow)
    beat: Executable = statement.on_conflict_do_update(
        index_elements=["id"], set_={"seen": statement.excluded.seen}
    )
    return beat
