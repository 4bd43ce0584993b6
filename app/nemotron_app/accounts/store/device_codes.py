"""How far is a sign-in that a command line started?"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update

from nemotron_app.accounts.store.database import Database
from nemotron_app.accounts.store.moment import Clock
from nemotron_app.accounts.store.schema import DeviceCodeRow


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCode:
    """A code that waits for its person; `is_approved` is None until they have decided."""

    digest: str
    user_code_digest: str
    client_id: str
    scope: str
    expires: datetime
    user_id: str | None = None
    is_approved: bool | None = None


class DeviceCodes:
    """Device codes by digest; each gives one key."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, code: DeviceCode) -> None:
        async with self._database.writing.begin() as session:
            await session.execute(delete(DeviceCodeRow).where(DeviceCodeRow.expires < self._clock()))
            session.add(
                DeviceCodeRow(
                    digest=code.digest,
                    user_code_digest=code.user_code_digest,
                    client_id=code.client_id,
                    scope=code.scope,
                    expires=code.expires,
                )
            )

    async def find(self, digest: str) -> DeviceCode | None:
        async with self._database.reading() as session:
            row = await session.get(DeviceCodeRow, digest)
            return None if row is None or row.consumed is not None else _code(row)

    async def waiting(self, user_code_digest: str) -> DeviceCode | None:
        """The code that a person typed, if it still waits for them."""
        query = select(DeviceCodeRow).where(*_undecided(user_code_digest, self._clock()))
        async with self._database.reading() as session:
            row = await session.scalar(query)
            return None if row is None else _code(row)

    async def decide(self, user_code_digest: str, user_id: str, *, approve: bool) -> bool:
        """A person's answer; False if the code no longer waits."""
        chosen = _undecided(user_code_digest, self._clock())
        statement = update(DeviceCodeRow).where(*chosen).values(user_id=user_id, is_approved=approve)
        async with self._database.writing.begin() as session:
            return (await session.execute(statement.returning(DeviceCodeRow.digest))).first() is not None

    async def polled(self, digest: str, interval: timedelta) -> bool:
        """Note that a client asked; True if it asked sooner than it may."""
        now = self._clock()
        async with self._database.writing.begin() as session:
            row = await session.get_one(DeviceCodeRow, digest)
            is_early = row.polled is not None and now - row.polled < interval
            row.polled = now
            return is_early

    async def consume(self, digest: str) -> bool:
        """Take the code for good; False if someone was faster."""
        chosen = (DeviceCodeRow.digest == digest, DeviceCodeRow.consumed.is_(None))
        statement = update(DeviceCodeRow).where(*chosen).values(consumed=self._clock())
        async with self._database.writing.begin() as session:
            return (await session.execute(statement.returning(DeviceCodeRow.digest))).first() is not None


def _undecided(user_code_digest: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    is_chosen = DeviceCodeRow.user_code_digest == user_code_digest
    return is_chosen, DeviceCodeRow.is_approved.is_(None), DeviceCodeRow.expires > now


def _code(row: DeviceCodeRow) -> DeviceCode:
    return DeviceCode(
        digest=row.digest,
        user_code_digest=row.user_code_digest,
        client_id=row.client_id,
        scope=row.scope,
        expires=row.expires,
        user_id=row.user_id,
        is_approved=row.is_approved,
    )
