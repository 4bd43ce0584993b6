"""Do several servers with one Redis and one database keep one set of books, whatever dies?"""

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from nemotron_app.accounts import Ledger
from nemotron_app.accounts.store import Database
from nemotron_app.accounts.store.ledger import DEAD_AFTER
from nemotron_app.accounts.store.moment import utc_now

Launch = Callable[..., tuple["subprocess.Popen[str]", str]]
LaunchRedis = Callable[..., "subprocess.Popen[str]"]
CHAT = "/v1/chat/completions"
BODY = {"model": "echo", "messages": [{"role": "user", "content": "ten tokens"}], "max_tokens": 10}
SLOW = BODY | {"messages": [{"role": "user", "content": "x" * 1000}], "max_tokens": 1000, "stream": True}
SECRET = "a secret that is long enough for every test"
PROVIDER = {
    "kind": "openid",
    "name": "op",
    "title": "Provider",
    "issuer": "https://op.example",
    "client_id": "us",
    "client_secret": "ours",
}
_numbers = count()


@dataclass(frozen=True)
class Server:
    """One server of several, and a client with a key of their one caller."""

    process: "subprocess.Popen[str]"
    api: httpx.AsyncClient

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    async def in_flight(self) -> int:
        report = (await self.api.get("/v1/usage")).json()
        return int({limit["name"]: limit["used"] for limit in report["limits"]}["in_flight"])


@dataclass(frozen=True)
class Cluster:
    """Starts servers over one database."""

    launch: Launch
    stack: AsyncExitStack
    database_url: str
    flags: tuple[str, ...]
    headers: dict[str, str]

    async def server(self, *flags: str) -> Server:
        process, url = await asyncio.to_thread(self.launch, *self.flags, *flags)
        self.stack.callback(process.kill)
        client = httpx.AsyncClient(base_url=url, headers=self.headers, timeout=30)
        return Server(process, await self.stack.enter_async_context(client))

    async def rows(self, table: str) -> list[dict[str, Any]]:
        engine = create_async_engine(make_url(self.database_url).set(drivername="postgresql+asyncpg"))
        async with engine.connect() as connection:
            found = [
                dict(row) for row in (await connection.execute(text(f"SELECT * FROM {table}"))).mappings()
            ]
        await engine.dispose()
        return found

    async def close_what_the_dead_left(self) -> int:
        """As a server does that notices a while later."""
        database = Database(self.database_url)
        later = utc_now() + DEAD_AFTER
        closed = await Ledger(database, lambda: later).close_orphans()
        await database.aclose()
        return closed


MakeCluster = Callable[..., Any]


@pytest.fixture
async def new_database(postgres: str) -> str:
    name = f"processes_{next(_numbers)}"
    url = make_url(f"{postgres}/postgres").set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await engine.dispose()
    return f"{postgres}/{name}"


@pytest.fixture
async def make_cluster(
    launch_playground: Launch, new_database: str, tmp_path: Path
) -> AsyncIterator[MakeCluster]:
    async with AsyncExitStack() as stack:

        async def make(redis_url: str, **tier: int) -> Cluster:
            values: dict[str, Any] = {
                "engine": "echo",
                "page": False,
                "secret": SECRET,
                "database_url": new_database,
                "redis_url": redis_url,
                "limit_patience_seconds": 0,
                "replicas": 2,
            }
            lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
            lines += ["[[providers]]", *(f"{name} = {json.dumps(text)}" for name, text in PROVIDER.items())]
            lines += ["[tiers.free]", *(f"{name} = {value}" for name, value in tier.items())]
            config = tmp_path / "playground.toml"
            config.write_text("\n".join(lines))
            flags = ("--config", str(config))
            return Cluster(
                launch_playground, stack, new_database, flags, await _new_caller(new_database, flags)
            )

        yield make


async def _new_caller(database_url: str, flags: tuple[str, ...]) -> dict[str, str]:
    """The headers of a caller with a key, as the accounts of such a server make it."""
    from nemotron_app.account_settings import accounts_for
    from nemotron_app.accounts import key_text
    from nemotron_app.accounts.scopes import SCOPES
    from nemotron_app.accounts.store.keys import Key
    from nemotron_app.settings import read_settings

    accounts = accounts_for(read_settings({}, Path(flags[1])))
    secret, owner = key_text.mint(), f"user_{database_url.rpartition('_')[2]}"
    await accounts.start()
    await accounts.ring.add(
        Key(
            id="key_test",
            digest=accounts.ring.digest(secret),
            head=secret[:8],
            tail=secret[-4:],
            name="test",
            owner=owner,
            tier="free",
            client_id="test",
            scopes=tuple(SCOPES),
            models=(),
            created=accounts.clock(),
        )
    )
    await accounts.aclose()
    return {"authorization": f"Bearer {secret}"}


async def test_two_servers_never_admit_more_than_the_limit(make_cluster: Any, redis_url: str) -> None:
    cluster = await make_cluster(redis_url, burst=7, requests_per_minute=1, in_flight=50)
    # So long that a busy machine does not take Redis for dead, which would let a share of the limit pass.
    servers = [await cluster.server("--redis-seconds", "20") for _ in range(2)]
    calls = [server.api.post(CHAT, json=BODY) for _ in range(15) for server in servers]
    answers = await asyncio.gather(*calls)
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [429] * 23
    assert [row["status"] for row in await cluster.rows("usage")] == ["done"] * 7
    (day,) = await cluster.rows("usage_daily")
    assert (day["requests"], day["prompt_tokens"], day["completion_tokens"]) == (7, 70, 70)


async def test_a_server_killed_in_the_middle_frees_what_it_held(make_cluster: Any, redis_url: str) -> None:
    cluster = await make_cluster(redis_url, in_flight=1)
    doomed = await cluster.server("--echo-delay", "0.05", "--lease-seconds", "1.5")
    other = await cluster.server("--lease-seconds", "1.5")
    async with doomed.api.stream("POST", CHAT, json=SLOW) as answer:
        lines = answer.aiter_lines()
        while "xx" not in (seen := await anext(lines)) and "content" not in seen:
            pass
        assert await other.in_flight() == 1
        assert (await other.api.post(CHAT, json=BODY)).status_code == 429
        doomed.kill()
    while await other.in_flight():
        pass
    assert (await other.api.post(CHAT, json=BODY)).status_code == 200
    open_row = next(row for row in await cluster.rows("usage") if row["status"] == "open")
    other.kill()
    assert await cluster.close_what_the_dead_left() == 1
    rows = {row["id"]: row for row in await cluster.rows("usage")}
    assert rows[open_row["id"]]["status"] == "lost"
    (day,) = await cluster.rows("usage_daily")
    assert day["requests"] == 2
    assert await cluster.close_what_the_dead_left() == 0


async def test_an_answer_that_was_sent_is_in_the_ledger_though_its_server_is_killed(
    make_cluster: Any, redis_url: str
) -> None:
    cluster = await make_cluster(redis_url)
    server = await cluster.server()
    async with server.api.stream("POST", CHAT, json=BODY | {"stream": True}) as answer:
        async for line in answer.aiter_lines():
            if line == "data: [DONE]":
                server.kill()
                break
    (row,) = await cluster.rows("usage")
    assert (row["status"], row["prompt_tokens"], row["completion_tokens"]) == ("done", 10, 10)
    assert await cluster.close_what_the_dead_left() == 0
    assert [day["requests"] for day in await cluster.rows("usage_daily")] == [1]


async def test_a_key_that_ends_behind_a_servers_back_is_found_out(make_cluster: Any, redis_url: str) -> None:
    cluster = await make_cluster(redis_url)
    server = await cluster.server()
    assert (await server.api.get("/v1/models")).status_code == 200
    engine = create_async_engine(make_url(cluster.database_url).set(drivername="postgresql+asyncpg"))
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE keys SET revoked = now()"))
    await engine.dispose()
    # Nobody announced it, so the server finds out when it looks again, which it does every two seconds.
    async with asyncio.timeout(30):
        while (await server.api.get("/v1/models")).status_code == 200:
            pass


@pytest.fixture
def harm(launch_redis: LaunchRedis, free_port: int) -> Any:
    """A Redis that can be stopped, frozen, and brought back."""

    class Harm:
        url = f"redis://127.0.0.1:{free_port}"
        server = launch_redis(free_port)

        def kill(self) -> None:
            self.server.kill()
            self.server.wait()

        def freeze(self) -> None:
            self.server.send_signal(signal.SIGSTOP)

        def start_again(self) -> None:
            self.server = launch_redis(free_port)

        def thaw(self) -> None:
            self.server.send_signal(signal.SIGCONT)

    return Harm()


@pytest.mark.parametrize(("harmed", "healed"), [("kill", "start_again"), ("freeze", "thaw")])
async def test_without_redis_members_go_on_guests_do_not_and_all_heals(
    make_cluster: Any, harm: Any, harmed: str, healed: str
) -> None:
    cluster = await make_cluster(harm.url)
    server = await cluster.server()
    guest = await _guest(server)
    assert (await server.api.post(CHAT, json=BODY, headers=guest)).status_code == 200
    getattr(harm, harmed)()
    answer = await server.api.post(CHAT, json=BODY)
    assert (answer.status_code, answer.headers["x-ratelimit-degraded"]) == (200, "1")
    assert answer.headers["x-ratelimit-limit-requests"] == "20"  # the share of one of two servers
    refused = await server.api.post(CHAT, json=BODY, headers=guest)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "limits_unavailable")
    assert "retry-after" in refused.headers
    health = (await server.api.get("/v1/health/ready")).json()["limits"]
    assert (health["backend"], health["degraded"]) == ("memory", True)
    assert "playground_limiter_degraded 1.0" in (await server.api.get("/metrics")).text
    getattr(harm, healed)()
    async with asyncio.timeout(60):
        while "x-ratelimit-degraded" in (await server.api.get("/v1/models")).headers:
            pass
    assert (await server.api.post(CHAT, json=BODY, headers=guest)).status_code == 200
    assert (await server.api.get("/v1/health/ready")).json()["limits"]["backend"] == "redis"


async def _guest(server: Server) -> dict[str, str]:
    """The token that the page gets for someone who has not signed in."""
    async with httpx.AsyncClient(base_url=server.api.base_url) as browser:
        me = (await browser.get("/account/me")).json()
        assert me["is_guest"]
        headers = {"x-csrf-token": me["csrf_token"]}
        token = (await browser.post("/account/token", headers=headers)).json()["token"]
        return {"authorization": f"Bearer {token}"}
