"""Which API keys exist, and whose are they?"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, update

from nemotron_app.accounts.store.database import Database
from nemotron_app.accounts.store.moment import Clock
from nemotron_app.accounts.store.schema import KeyRow

_TOUCH_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as the store knows it. No `models` allows all; no `expires` lasts until it is revoked."""

    id: str
    digest: str
    head: str
    tail: str
    name: str
    owner: str
    tier: str
    client_id: str
    scopes: tuple[str, ...]
    models: tuple[str, ...]
    created: datetime
    last_used: datetime | None = None
    expires: datetime | None = None
    revoked: datetime | None = None
    successor: str | None = None

    def is_active(self, now: datetime) -> bool:
        return self.revoked is None and (self.expires is None or now < self.expires)


class Keys:
    """Keys by digest, and by owner."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, key: Key) -> None:
        async with self._database.writing.begin() as session:
            session.add(_row(key))

    async def find(self, digest: str) -> Key | None:
        async with self._database.reading() as session:
            row = await session.scalar(select(KeyRow).where(KeyRow.digest == digest))
            return None if row is None else _key(row)

    async def owned(self, owner: str) -> Sequence[Key]:
        """An owner's keys, newest first."""
        query = select(KeyRow).where(KeyRow.owner == owner).order_by(KeyRow.created.desc(), KeyRow.id)
        async with self._database.reading() as session:
            return [_key(row) for row in await session.scalars(query)]

    async def num_active(self, owner: str) -> int:
        query = select(func.count()).where(KeyRow.owner == owner, KeyRow.revoked.is_(None), self._unexpired())
        async with self._database.reading() as session:
            return await session.scalar(query) or 0

    async def rename(self, owner: str, key_id: str, name: str) -> Key | None:
        async with self._database.writing.begin() as session:
            row = await session.scalar(_one(owner, key_id))
            if row is None:
                return None
            row.name = name
            return _key(row)

    async def revoke(self, owner: str, key_id: str) -> Key | None:
        """End a key now; a second time changes nothing."""
        async with self._database.writing.begin() as session:
            row = await session.scalar(_one(owner, key_id))
            if row is None:
                return None
            row.revoked = row.revoked or self._clock()
            return _key(row)

    async def replace(self, old: Key, new: Key, grace: timedelta) -> bool:
        """Add `new` and let `old` end after the grace, or sooner if it was to; False if it has ended."""
        until = self._clock() + grace
        ends = min(until, old.expires) if old.expires else until
        still_active = (KeyRow.id == old.id, KeyRow.revoked.is_(None), KeyRow.successor.is_(None))
        async with self._database.writing.begin() as session:
            changed = await session.execute(
                update(KeyRow)
                .where(*still_active, self._unexpired())
                .values(expires=ends, successor=new.id)
                .returning(KeyRow.id)
            )
            if changed.first() is None:
                return False
            session.add(_row(new))
            return True

    async def touch(self, key: Key) -> None:
        """Note that a key was used, to the minute."""
        now = self._clock()
        if key.last_used is not None and now - key.last_used < _TOUCH_EVERY:
            return
        async with self._database.writing.begin() as session:
            await session.execute(update(KeyRow).where(KeyRow.id == key.id).values(last_used=now))

    async def delete_ended(self, after: timedelta) -> None:
        """Drop keys that ended so long ago."""
        ended = self._clock() - after
        async with self._database.writing.begin() as session:
            await session.execute(delete(KeyRow).where(or_(KeyRow.expires < ended, KeyRow.revoked < ended)))

    def _unexpired(self) -> ColumnElement[bool]:
        return or_(KeyRow.expires.is_(None), KeyRow.expires > self._clock())


def _one(owner: str, key_id: str) -> Select[KeyRow]:
    return select(KeyRow).where(KeyRow.id == key_id, KeyRow.owner == owner)


def _row(key: Key) -> KeyRow:
    values = {field.name: getattr(key, field.name) for field in fields(key)}
    return KeyRow(**values | {"scopes": list(key.scopes), "models": list(key.models)})


def _key(row: KeyRow) -> Key:
    values: dict[str, Any] = {field.name: getattr(row, field.name) for field in fields(Key)}
    values["scopes"], values["models"] = tuple(row.scopes), tuple(row.models)
    return Key(**values)
