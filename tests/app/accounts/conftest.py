"""Real database servers, a clock that only a test moves, and a small site with accounts."""

import asyncio
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
import uvicorn
from fastapi import Depends, FastAPI, Request
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.responses import JSONResponse, Response

from nemotron_app.accounts import Accounts, AccountsOptions, OpenIdProvider, Principal, create_accounts
from nemotron_app.accounts.browser.session import BrowserSession
from nemotron_app.accounts.store import Database
from nemotron_app.accounts.store.people import Identity, People
from nemotron_app.errors import EXPECTED, problem_of
from nemotron_app.settings import Settings


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


_numbers = count()


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database: a test that asks for this runs on both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/accounts.db"
    server: str = request.getfixturevalue("postgres")
    name = f"accounts_{next(_numbers)}"
    url = make_url(f"{server}/postgres").set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await engine.dispose()
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


SECRET = "a secret that is long enough for every test"


@dataclass(frozen=True)
class Site:
    """An app that has accounts, and one route of the API that says who called."""

    accounts: Accounts
    app: FastAPI
    stack: AsyncExitStack

    async def client(
        self, *, address: str = "127.0.0.1", base_url: str = "http://127.0.0.1:7860", **options: Any
    ) -> httpx.AsyncClient:
        """A browser, or any other client."""
        transport = httpx.ASGITransport(self.app, client=(address, 50000))
        client = httpx.AsyncClient(transport=transport, base_url=base_url, **options)
        return await self.stack.enter_async_context(client)

    async def browser(self, name: str | None = None, **options: Any) -> httpx.AsyncClient:
        """A browser whose page was loaded, so that it has cookie and CSRF token; signed in as `name`."""
        client = await self.client(**options)
        if name is not None:
            client.cookies.set("nemotron_session", await self.sign_in(name))
        me = (await client.get("/account/me")).json()
        client.headers["x-csrf-token"] = me["csrf_token"]
        return client

    async def sign_in(self, name: str) -> str:
        """The id of a session of a person of this name."""
        people = People(self.accounts.database, self.accounts.clock)
        user = await people.sign_in(Identity(provider="op", subject=name, name=name, email=None))
        session = BrowserSession(id="", data={}, stored_id="")
        session.sign_in(user.id)
        await self.accounts.sessions.keep(session)
        return session.id

    async def new_key(self, browser: httpx.AsyncClient, **body: Any) -> str:
        """A key made on the Keys page."""
        answer = await browser.post("/account/keys", json={"name": "test"} | body)
        assert answer.status_code == 201, answer.text
        key: str = answer.json()["key"]
        return key


MakeSite = Callable[..., Awaitable[Site]]


@pytest.fixture
async def make_site(tmp_path: Path, clock: SteppedClock) -> AsyncIterator[MakeSite]:
    """Makes sites that share a database in a file, unless they are told another."""
    async with AsyncExitStack() as stack:

        async def make(*, throttle: Any = None, **changes: Any) -> Site:
            values = {"database_url": f"sqlite:///{tmp_path}/site.db", "secret": SECRET} | changes
            accounts = create_accounts(AccountsOptions(**values), throttle=throttle, clock=clock)
            stack.push_async_callback(accounts.aclose)
            await accounts.start()
            return Site(accounts, _app(accounts), stack)

        yield make


Serve = Callable[[Any], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves an app over a socket of this machine, and tells its address."""
    async with AsyncExitStack() as stack:

        async def begin(app: Any) -> str:
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            program = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
            task = asyncio.create_task(program.serve([listener]))
            stack.push_async_callback(_stop, program, task)
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        yield begin


async def _stop(program: uvicorn.Server, task: asyncio.Task[None]) -> None:
    program.should_exit = True
    await task


@pytest.fixture
def provider() -> OpenIdProvider:
    """A provider that nobody can reach: for sites where a test signs people in by hand."""
    return OpenIdProvider(
        name="op", title="Provider", issuer="https://op.example", client_id="us", client_secret="ours"
    )


@pytest.fixture
async def site(make_site: MakeSite, provider: OpenIdProvider) -> Site:
    """A site where people sign in."""
    return await make_site(providers=(provider,))


@pytest.fixture
async def local_site(make_site: MakeSite) -> Site:
    """A site with its one local user."""
    return await make_site()


def _app(accounts: Accounts) -> FastAPI:
    app = FastAPI(exception_handlers=dict.fromkeys(EXPECTED, _answer_error))
    app.state.settings = Settings()
    for router in accounts.routers:
        app.include_router(router)

    async def caller(request: Request) -> Principal:
        return await accounts.authenticator.authenticate(request)

    @app.api_route("/v1/{rest:path}", methods=["GET", "POST"])
    async def api(
        rest: str, caller: Annotated[Principal, Depends(caller)], model: str = ""
    ) -> dict[str, Any]:
        if model:
            caller.require_model(model)
        return {"id": caller.id, "tier": caller.tier, "network": caller.network, "key": caller.key_id}

    return app


async def _answer_error(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    return JSONResponse(problem.envelope("req_test"), problem.status, dict(problem.headers))
