"""What did each request spend?

A row is written before the engine starts and closed before the last byte is sent, so that a crash loses no
request; closing twice counts once. A process that stops beating is dead, and its open rows are closed by
whichever process notices first. Prompts and answers never come here.
"""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import Insert, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from nemotron_app.accounts.identifier import new_id
from nemotron_app.accounts.store.database import Database
from nemotron_app.accounts.store.moment import Clock
from nemotron_app.accounts.store.schema import DailyUsageRow, InstanceRow, UsageRow

Status = Literal["done", "aborted", "failed", "lost"]
OPEN = "open"
DEAD_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """The cost of a request: tokens by kind, forwards of the network, and time."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    forwards: int = 0
    milliseconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A request that begins. `key_id` is empty where no key was used."""

    id: str
    caller: str
    variant: str
    key_id: str = ""
    prompt_tokens: int = 0


class Ledger:
    """The book of requests, and its daily sums."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._instance = new_id("instance")

    async def open(self, entry: Entry) -> bool:
        """Enter a request; False if its id stands there already."""
        spent = asdict(Spent(prompt_tokens=entry.prompt_tokens))
        values = (
            asdict(entry) | spent | {"status": OPEN, "instance": self._instance, "created": self._clock()}
        )
        async with self._database.writing.begin() as session:
            statement = _insert(session, UsageRow).values(**values).on_conflict_do_nothing()
            return (await session.execute(statement.returning(UsageRow.id))).first() is not None

    async def progress(self, request_id: str, spent: Spent) -> None:
        """What an open request has cost so far, so that a crash would not lose it."""
        still_open = (UsageRow.id == request_id, UsageRow.status == OPEN)
        async with self._database.writing.begin() as session:
            await session.execute(update(UsageRow).where(*still_open).values(**asdict(spent)))

    async def close(self, request_id: str, spent: Spent, status: Status) -> bool:
        """Settle a request and add it to its day; False if it was closed before or never opened."""
        async with self._database.writing.begin() as session:
            return await self._close(session, request_id, asdict(spent), status)

    async def beat(self) -> None:
        """Say that this process lives; do so well within `DEAD_AFTER`."""
        values = {"id": self._instance, "seen": self._clock()}
        async with self._database.writing.begin() as session:
            insert = _insert(session, InstanceRow).values(**values)
            await session.execute(insert.on_conflict_do_update(index_elements=["id"], set_=values))

    async def close_orphans(self) -> int:
        """Close what dead processes left open, at what was known of it; the number of rows closed."""
        living = select(InstanceRow.id).where(InstanceRow.seen > self._clock() - DEAD_AFTER)
        orphans = select(UsageRow.id).where(UsageRow.status == OPEN, UsageRow.instance.not_in(living))
        async with self._database.writing.begin() as session:
            closed = [await self._close(session, row, {}, "lost") for row in await session.scalars(orphans)]
            await session.execute(delete(InstanceRow).where(InstanceRow.id.not_in(living)))
            return sum(closed)

    async def _close(
        self, session: AsyncSession, request_id: str, spent: dict[str, int], status: Status
    ) -> bool:
        still_open = (UsageRow.id == request_id, UsageRow.status == OPEN)
        values = spent | {"status": status, "closed": self._clock()}
        closing = update(UsageRow).where(*still_open).values(**values).returning(UsageRow)
        row = (await session.scalars(closing)).first()
        if row is None:
            return False
        await session.execute(_addition(session, row))
        return True


def _insert(session: AsyncSession, table: Any) -> Any:
    """An insert that knows what to do about a conflict, which each dialect spells for itself."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    return sqlite.insert(table) if is_sqlite else postgresql.insert(table)


def _addition(session: AsyncSession, row: UsageRow) -> Insert:
    place = {
        "day": row.created.date(),
        "caller": row.caller,
        "key_id": row.key_id,
        "variant": row.variant,
    }
    amounts = {"requests": 1} | {name: getattr(row, name) for name in Spent.__dataclass_fields__}
    insert = _insert(session, DailyUsageRow).values(**place, **amounts)
    sums = {name: getattr(DailyUsageRow, name) + amount for name, amount in amounts.items()}
    addition: Insert = insert.on_conflict_do_update(index_elements=list(place), set_=sums)
    return addition
