"""Real database servers, and a clock that only a test moves."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from nemotron_app.accounts.store import Database


class SteppedClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self._now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self._now

    def move(self, **step: float) -> None:
        self._now += timedelta(**step)


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own, without a database's name."""
    folder = Path(tempfile.mkdtemp(prefix="nemotron-postgres-"))
    cluster, port = folder / "data", free_port()
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
    _postgres("initdb", "-D", str(cluster), "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    _postgres("pg_ctl", "-D", str(cluster), "-l", str(folder / "log"), "-w", "-o", options, "start")
    yield f"postgresql://tester@127.0.0.1:{port}"
    _postgres("pg_ctl", "-D", str(cluster), "-w", "-m", "immediate", "stop")
    shutil.rmtree(folder)


def _postgres(program: str, *arguments: str) -> None:
    """PostgreSQL refuses to run as root."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    path = str(installed[-1]) if installed else program
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*prefix, path, *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/")


_numbers = count()


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database: a test that asks for this runs on both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/accounts.db"
    server: str = request.getfixturevalue("postgres")
    name = f"accounts_{next(_numbers)}"
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return f"{server}/{name}"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    await database.start()
    yield database
    await database.aclose()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis server of our own, reached through a socket file."""
    socket_file = Path(tempfile.mkdtemp(prefix="nemotron-redis-")) / "redis.sock"
    folder = str(tmp_path_factory.mktemp("redis"))
    options = ("--port", "0", "--unixsocket", str(socket_file), "--dir", folder, "--save", "")
    server = subprocess.Popen(["redis-server", *options], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    while "ready to accept connections" not in server.stdout.readline().lower():
        assert server.poll() is None, "redis-server did not start"
    yield f"unix://{socket_file}"
    server.terminate()
    server.wait()
    server.stdout.close()
    shutil.rmtree(socket_file.parent)
