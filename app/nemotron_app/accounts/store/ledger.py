"""What did each request spend?

A row is written before the engine starts and closed before the last byte is sent, so that a crash loses no
request; closing twice counts once. A process that stops beating is dead, and its open rows are closed by
whichever process notices first. Prompts and answers never come here.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import delete, select

from nemotron_app.accounts.identifier import new_id
from nemotron_app.accounts.store.database import Database
from nemotron_app.accounts.store.ledger_statements import OPEN, LedgerStatements
from nemotron_app.accounts.store.moment import Clock
from nemotron_app.accounts.store.schema import InstanceRow, UsageRow

Status = Literal["done", "aborted", "failed", "lost"]
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
        self._statements = LedgerStatements.of(database.dialect)

    async def open(self, entry: Entry) -> bool:
        """Enter a request; False if its id stands there already."""
        spent = _values(Spent(prompt_tokens=entry.prompt_tokens))
        values = (
            _values(entry) | spent | {"status": OPEN, "instance": self._instance, "created": self._clock()}
        )
        enter = self._statements.enter
        return await self._database.quickly(
            lambda connection: connection.execute(enter, values).first() is not None
        )

    async def progress(self, request_id: str, spent: Spent) -> None:
        """What an open request has cost so far, so that a crash would not lose it."""
        values = {"request_id": request_id} | _values(spent)
        await self._database.quickly(lambda connection: connection.execute(self._statements.change, values))

    async def close(self, request_id: str, spent: Spent, status: Status) -> bool:
        """Settle a request and add it to its day; False if it was closed before or never opened."""
        values = self._ending(request_id, status) | _values(spent)
        return await self._database.quickly(lambda connection: self._statements.close(connection, values))

    async def beat(self) -> None:
        """Say that this process lives; do so well within `DEAD_AFTER`."""
        values = {"id": self._instance, "seen": self._clock()}
        async with self._database.transaction() as connection:
            await connection.execute(self._statements.beat, values)

    async def close_orphans(self) -> int:
        """Close what dead processes left open, at what was known of it; the number of rows closed."""
        living = select(InstanceRow.id).where(InstanceRow.seen > self._clock() - DEAD_AFTER)
        orphans = select(UsageRow.id).where(UsageRow.status == OPEN, UsageRow.instance.not_in(living))
        async with self._database.transaction() as connection:
            found = (await connection.scalars(orphans)).all()
            closed = [
                await connection.run_sync(self._statements.close, self._ending(request_id, "lost"))
                for request_id in found
            ]
            await connection.execute(delete(InstanceRow).where(InstanceRow.id.not_in(living)))
            return sum(closed)

    def _ending(self, request_id: str, status: Status) -> dict[str, Any]:
        return {"request_id": request_id, "status": status, "closed": self._clock()}


def _values(record: Entry | Spent) -> dict[str, Any]:
    """Its fields by name; `asdict` would copy them deeply, and takes as long as the write."""
    return {name: getattr(record, name) for name in record.__slots__}
