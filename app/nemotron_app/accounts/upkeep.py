"""What must be done for the store while the program runs?"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

from redis.asyncio import Redis
from sqlalchemy.exc import SQLAlchemyError

from nemotron_app.accounts.revocation import Announcer
from nemotron_app.accounts.store.database import Database
from nemotron_app.accounts.store.keys import Keys
from nemotron_app.accounts.store.ledger import DEAD_AFTER, Ledger
from nemotron_app.accounts.store.people import LOCAL_USER, People
from nemotron_app.accounts.store.sessions import DatabaseSessions

_BEAT_SECONDS = DEAD_AFTER.total_seconds() / 4
_CLEANING_SECONDS = 3600.0
_KEPT = timedelta(days=30)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepParts:
    """What is kept up."""

    database: Database
    ledger: Ledger
    keys: Keys
    people: People
    sessions: DatabaseSessions
    announcer: Announcer
    redis: Redis | None


class Upkeep:
    """Migrates at the start; then beats, closes what the dead left open, and drops what is over."""

    def __init__(self, parts: UpkeepParts) -> None:
        self._parts = parts
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        parts = self._parts
        self._stack.push_async_callback(parts.database.aclose)
        await parts.database.start()
        await parts.people.ensure(LOCAL_USER)
        await self.beat()
        if parts.redis is not None:
            self._stack.push_async_callback(parts.redis.aclose)
        await parts.announcer.start()
        self._stack.push_async_callback(parts.announcer.aclose)
        self._repeat(self.beat, _BEAT_SECONDS)
        self._repeat(self.clean, _CLEANING_SECONDS)

    async def aclose(self) -> None:
        await self._stack.aclose()

    def _repeat(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        task = asyncio.create_task(_forever(work, seconds))
        self._stack.push_async_callback(_cancel, task)

    async def beat(self) -> None:
        """Say that this process lives, and close what dead ones left open."""
        await self._parts.ledger.beat()
        num_closed = await self._parts.ledger.close_orphans()
        if num_closed:
            _log.warning("closed %d requests that a dead process left open", num_closed)

    async def clean(self) -> None:
        """Drop what is over."""
        await self._parts.sessions.delete_expired()
        await self._parts.keys.delete_ended(_KEPT)


async def _forever(work: Callable[[], Awaitable[None]], seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except SQLAlchemyError as error:
            _log.warning("the store's upkeep failed and is tried again: %s", type(error).__name__)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
