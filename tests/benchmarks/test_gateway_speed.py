"""What does the gateway add to an engine, and what do keys, limits and the ledger add to the gateway?

All servers echo the same prompt and are asked in turn, one request in flight, so that a busy moment of the
machine meets all of them alike. `bare` is the engine itself, called in this process.
"""

import http.client
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from nemotron_backend.echo import ECHO, EchoEngine
from nemotron_backend.request import GenerationRequest, Sampling, Stopping, Text

pytestmark = pytest.mark.benchmark

_ROUNDS = 600
_WARM_UP = 50
_WORKER = Path(__file__).parent / "gateway_worker.py"
_PROMPT = "sixteen letters."
_BODY = {"model": "echo", "messages": [{"role": "user", "content": _PROMPT}]}
_REQUEST = GenerationRequest(
    id="bare",
    variant=ECHO,
    prompt=Text(text=_PROMPT),
    sampling=Sampling(
        temperature=0.0,
        top_p=1.0,
        top_k=0,
        min_p=0.0,
        repetition_penalty=1.0,
        presence_penalty=0.0,
        frequency_penalty=0.0,
        logit_bias=(),
        seed=0,
    ),
    stopping=Stopping(max_tokens=512, strings=(), token_ids=(), ignore_eos=False),
    num_choices=1,
    num_top_logprobs=None,
    trace=False,
)


@dataclass(frozen=True)
class Times:
    """Milliseconds until the first token and until the end."""

    first: float
    total: float


class Client:
    """One kept connection to one server."""

    def __init__(self, url: str, key: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc)
        self._headers = {"content-type": "application/json"}
        if key:
            self._headers["authorization"] = f"Bearer {key}"

    def close(self) -> None:
        self._connection.close()

    def ask(self, content: bytes) -> Times:
        started = time.perf_counter()
        self._connection.request("POST", "/v1/chat/completions", content, self._headers)
        response = self._connection.getresponse()
        response.read(1)
        first = time.perf_counter()
        response.read()
        assert response.status == 200
        return Times(1000 * (first - started), 1000 * (time.perf_counter() - started))


@pytest.fixture
def start() -> Iterator[Callable[..., Client]]:
    """Start a server in a process of its own."""
    with ExitStack() as stack:

        def begin(mode: str, **settings: object) -> Client:
            command = [sys.executable, str(_WORKER), mode, json.dumps(settings)]
            roots = ":".join(path for path in sys.path if path.endswith(("app", "backend", "kernels")))
            worker = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={"PYTHONPATH": roots},
            )
            stack.callback(worker.communicate)
            stack.callback(worker.kill)
            assert worker.stdout is not None
            url, _, key = worker.stdout.readline().strip().partition(" ")
            client = Client(url, key)
            stack.callback(client.close)
            return client

        yield begin


@pytest.fixture
async def durable_postgres(postgres: str) -> str:
    """A database on a server that does wait for its disk."""
    url = make_url(f"{postgres}/postgres").set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for statement in (
            "ALTER SYSTEM SET fsync = on",
            "SELECT pg_reload_conf()",
            "DROP DATABASE IF EXISTS gateway_speed WITH (FORCE)",
            "CREATE DATABASE gateway_speed",
        ):
            await connection.execute(text(statement))
    await engine.dispose()
    return f"{postgres}/gateway_speed"


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
async def test_what_the_gateway_and_its_members_add(
    start: Callable[..., Client],
    tmp_path: Path,
    redis_url: str,
    durable_postgres: str,
    machine: str,
    other_load: Any,
    *,
    is_stream: bool,
) -> None:
    secret = "a secret that is long enough for every test"
    servers = {
        "gateway": start("open", data_dir=str(tmp_path / "open")),
        "members, SQLite, memory": start("members", data_dir=str(tmp_path / "sqlite")),
        "members, PostgreSQL, Redis": start(
            "members", secret=secret, database_url=durable_postgres, redis_url=redis_url
        ),
    }
    content = json.dumps(_BODY | {"stream": is_stream}).encode()
    load = other_load()
    with load.watched():
        times = _measure(servers, content)
        bare = [await _bare() for _ in range(_ROUNDS)]
    _report("bare engine", bare, None)
    for name, taken in times.items():
        _report(name, taken, times["gateway"])
    print(
        f"one request in flight, {_ROUNDS} requests a server, {'stream' if is_stream else 'whole'}; {machine}"
    )
    print(f"other processes used up to {load.cores:.1f} cores")


def _measure(servers: dict[str, Client], content: bytes) -> dict[str, list[Times]]:
    for client in servers.values():
        for _ in range(_WARM_UP):
            client.ask(content)
    times: dict[str, list[Times]] = {name: [] for name in servers}
    for _ in range(_ROUNDS):
        for name, client in servers.items():
            times[name].append(client.ask(content))
    return times


async def _bare() -> Times:
    """The same request, without a socket."""
    started = time.perf_counter()
    deltas = EchoEngine().stream(_REQUEST)
    await anext(deltas)
    first = time.perf_counter()
    async for _ in deltas:
        pass
    return Times(1000 * (first - started), 1000 * (time.perf_counter() - started))


def _report(name: str, taken: Sequence[Times], beside: Sequence[Times] | None) -> None:
    print(f"\n{name:28}", end="")
    for kind in ("first", "total"):
        values = [getattr(times, kind) for times in taken]
        print(f"  {kind} {statistics.median(values):7.3f} ms, p99 {_p99(values):7.3f} ms", end="")
    if beside is not None and beside is not taken:
        added = [mine.total - theirs.total for mine, theirs in zip(taken, beside, strict=True)]
        print(f"  adds {statistics.median(added):6.3f} ms, p99 {_p99(added):7.3f} ms", end="")


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[98]
