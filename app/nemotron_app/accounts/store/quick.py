"""How is a small write made with as little waiting as possible?

Every request makes two of them. A driver for SQLite that is asynchronous hands each cursor call to its thread
by itself, which costs more than the call; here the whole transaction is one visit to one thread. On
PostgreSQL a write is one statement that is its own transaction, which saves the trips to begin and commit it.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")
Work = Callable[[Connection], T]


class QuickWriter(Protocol):
    """Runs writes that may be repeated: twice is the same as once."""

    async def run(self, work: Work[T]) -> T: ...

    async def aclose(self) -> None: ...


class ThreadWriter:
    """One thread with one connection; what runs in it is a transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database writer")

    async def run(self, work: Work[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    async def aclose(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._engine.dispose)
        self._thread.shutdown()

    def _run(self, work: Work[T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)


class StatementWriter:
    """An engine that commits each statement; a connection that turns out to be dead is replaced once."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, work: Work[T]) -> T:
        try:
            return await self._run(work)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return await self._run(work)

    async def aclose(self) -> None:
        await self._engine.dispose()

    async def _run(self, work: Work[T]) -> T:
        async with self._engine.connect() as connection:
            return await connection.run_sync(work)
