"""How does the program reach its database?

SQLite writers take the write lock when they begin: a transaction that reads first and writes later would
otherwise fail, not wait, when another process wrote in between.
"""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import ConnectionPoolEntry

from nemotron_app.accounts.store.quick import QuickWriter, StatementWriter, ThreadWriter, Work

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
}
_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x6E656D6F
_BUSY_MILLISECONDS = 10_000

T = TypeVar("T")


class Database:
    """Sessions that read and sessions that write, on SQLite or PostgreSQL."""

    def __init__(self, url: str) -> None:
        self._engine = _engine(_with_driver(url))
        writer = self._engine.execution_options(writes=True)
        self.reading: async_sessionmaker[AsyncSession] = async_sessionmaker(
            self._engine, expire_on_commit=False
        )
        self.writing: async_sessionmaker[AsyncSession] = async_sessionmaker(writer, expire_on_commit=False)
        self._writer = writer
        self.dialect = self._engine.dialect.name
        self._quick = _quick_writer(_with_driver(url))

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection that writes, for several statements that belong together."""
        return self._writer.begin()

    async def quickly(self, work: Work[T]) -> T:
        """Do what is done for every request. On PostgreSQL each statement of it commits by itself."""
        return await self._quick.run(work)

    async def start(self) -> None:
        """Bring the schema up to date; of several processes that start together, one does it."""
        async with self._writer.begin() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execute(
                    text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK}
                )
            await connection.run_sync(_migrate)

    async def aclose(self) -> None:
        await self._quick.aclose()
        await self._engine.dispose()


def _with_driver(url: str) -> URL:
    parsed = make_url(url)
    return parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))


def _engine(url: URL) -> AsyncEngine:
    if not url.drivername.startswith("sqlite"):
        return create_async_engine(url, pool_pre_ping=True)
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _quick_writer(url: URL) -> QuickWriter:
    if not url.drivername.startswith("sqlite"):
        return StatementWriter(create_async_engine(url, isolation_level="AUTOCOMMIT"))
    engine = create_engine(url.set(drivername="sqlite"), execution_options={"writes": True})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return ThreadWriter(engine)


def _prepare_sqlite(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # so that the transaction begins as `_begin_sqlite` says
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_BUSY_MILLISECONDS}",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
