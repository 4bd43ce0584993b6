"""Where does the server remember browsers?"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

from redis.asyncio import Redis
from sqlalchemy import delete

from nemotron_app.accounts.store.database import Database
from nemotron_app.accounts.store.moment import Clock
from nemotron_app.accounts.store.schema import SessionRow

Data = Mapping[str, Any]


class Sessions(Protocol):
    """Session data by the digest of its id."""

    async def read(self, digest: str) -> dict[str, Any] | None:
        """The data, or None if there is no such session or it has expired."""
        ...

    async def write(self, digest: str, data: Data, lifetime: timedelta) -> None: ...

    async def delete(self, digest: str) -> None: ...


class DatabaseSessions:
    """In a table."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def read(self, digest: str) -> dict[str, Any] | None:
        async with self._database.reading() as session:
            row = await session.get(SessionRow, digest)
            return row.data if row is not None and row.expires > self._clock() else None

    async def write(self, digest: str, data: Data, lifetime: timedelta) -> None:
        row = SessionRow(digest=digest, data=dict(data), expires=self._clock() + lifetime)
        async with self._database.writing.begin() as session:
            await session.merge(row)

    async def delete(self, digest: str) -> None:
        async with self._database.writing.begin() as session:
            await session.execute(delete(SessionRow).where(SessionRow.digest == digest))

    async def delete_expired(self) -> None:
        async with self._database.writing.begin() as session:
            await session.execute(delete(SessionRow).where(SessionRow.expires <= self._clock()))


class RedisSessions:
    """In Redis, which forgets them by itself."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def read(self, digest: str) -> dict[str, Any] | None:
        text = await self._redis.get(_name(digest))
        return None if text is None else json.loads(text)

    async def write(self, digest: str, data: Data, lifetime: timedelta) -> None:
        await self._redis.set(_name(digest), json.dumps(data), ex=lifetime)

    async def delete(self, digest: str) -> None:
        await self._redis.delete(_name(digest))


def _name(digest: str) -> str:
    return f"session:{digest}"
