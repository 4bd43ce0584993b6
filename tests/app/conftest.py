"""A real server on a free port, over an engine that a test scripts."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy import text

from nemotron_app.accounts import Principal, key_text
from nemotron_app.accounts.scopes import SCOPES
from nemotron_app.accounts.store.keys import Key
from nemotron_app.drain import Drain
from nemotron_app.main import Parts, create_app, with_membership
from nemotron_app.membership import Membership, create_membership
from nemotron_app.serve import bind, loopback_url
from nemotron_app.settings import Settings, read_settings
from nemotron_backend.catalog import Catalog
from nemotron_backend.echo import ECHO, EchoEngine
from nemotron_backend.engine import Engine, EngineState, EngineStatus
from nemotron_backend.request import Delta, GenerationRequest, Prompt, Usage, Variant

_PROVIDER = {
    "kind": "openid",
    "name": "op",
    "title": "Provider",
    "issuer": "https://op.example",
    "client_id": "us",
    "client_secret": "ours",
}
Script = Callable[[GenerationRequest], AsyncGenerator[Delta, None]]
Serve = Callable[..., Awaitable[httpx.AsyncClient]]
ServeMembers = Callable[..., Awaitable["Members"]]


class ScriptedEngine:
    """Answers with what a script yields, and tells how many scripts run."""

    def __init__(self, script: Script, *, variants: tuple[Variant, ...] = (ECHO,)) -> None:
        self._script = script
        self._variants = variants
        self.state: EngineState = "ready"
        self.num_running = 0
        self.requests: list[GenerationRequest] = []
        self.started = asyncio.Event()
        self.freed = asyncio.Event()

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        self.num_running += 1
        self.started.set()
        deltas = self._script(request)
        try:
            async for delta in deltas:
                yield delta
        finally:
            await deltas.aclose()
            self.num_running -= 1
            self.freed.set()

    async def tokenize(self, model: str, prompt: Prompt) -> tuple[int, ...]:
        return await EchoEngine().tokenize(model, prompt)

    async def detokenize(self, model: str, token_ids: tuple[int, ...]) -> str:
        return await EchoEngine().detokenize(model, token_ids)

    def variants(self) -> tuple[Variant, ...]:
        return self._variants

    def status(self) -> EngineStatus:
        return EngineStatus(
            name="scripted",
            state=self.state,
            progress="half way there" if self.state == "starting" else self.state,
            num_running=self.num_running,
            num_waiting=0,
            cache_used_bytes=0,
            cache_limit_bytes=0,
            resident=(),
        )

    async def aclose(self) -> None:
        return None


class TestServer(uvicorn.Server):
    """Serves inside the test's own loop and leaves its signals alone."""

    __test__ = False

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@asynccontextmanager
async def _running(parts: Parts) -> AsyncGenerator[str, None]:
    sock = bind("127.0.0.1", 0)
    config = uvicorn.Config(create_app(parts), log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = TestServer(config)
    serving = asyncio.create_task(server.serve([sock]))
    await server.is_up.wait()
    try:
        yield loopback_url(sock)
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
def scripted() -> Callable[..., ScriptedEngine]:
    """Makes an engine out of a script."""
    return ScriptedEngine


@pytest.fixture
def drain() -> Drain:
    """How the server of this test stops."""
    return Drain()


@pytest.fixture
async def serve(drain: Drain) -> AsyncGenerator[Serve, None]:
    """Starts a server over an engine; keyword arguments are settings or parts of the app."""
    async with AsyncExitStack() as stack:

        async def start(engine: Engine, **options: Any) -> httpx.AsyncClient:
            async def open_engine(_: Settings) -> Engine:
                return engine

            given = {name: options.pop(name) for name in ("authenticator", "meter") if name in options}
            page = options.pop("late_page", None)
            parts = Parts(
                settings=Settings(page=page is not None, **options),
                catalog=Catalog.read(),
                open_engine=open_engine,
                drain=drain,
                page=page,
                **given,
            )
            url = await stack.enter_async_context(_running(parts))
            return await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30))

        yield start


@dataclass(frozen=True)
class Members:
    """A server with accounts where people would sign in at a provider, and a client without a key."""

    api: httpx.AsyncClient
    membership: Membership

    async def key(self, owner: str = "user_ada", *, tier: str = "free", **changes: Any) -> dict[str, str]:
        """The headers of a caller with a new key."""
        secret, accounts = key_text.mint(), self.membership.accounts
        values: dict[str, Any] = {"scopes": tuple(SCOPES), "models": (), "created": accounts.clock()}
        key = Key(
            id=f"key_{secret[-6:]}",
            digest=accounts.ring.digest(secret),
            head=secret[:8],
            tail=secret[-4:],
            name="test",
            owner=owner,
            tier=tier,
            client_id="test",
            **values | changes,
        )
        await accounts.ring.add(key)
        return {"authorization": f"Bearer {secret}"}

    def guest(self, name: str, network: str) -> dict[str, str]:
        """The headers of the page for a guest."""
        principal = Principal(
            id=f"guest_{name}",
            is_anonymous=True,
            tier="guest",
            scopes=tuple(SCOPES),
            network=f"network_{network}",
        )
        return {"authorization": f"Bearer {self.membership.accounts.tokens.mint(principal).text}"}

    async def rows(self) -> list[dict[str, Any]]:
        """Every request of the ledger, oldest first."""
        async with self.membership.accounts.database.reading() as session:
            found = await session.execute(text("SELECT * FROM usage ORDER BY created"))
            return [dict(row) for row in found.mappings()]

    async def used(self, headers: dict[str, str]) -> dict[str, int]:
        """How much of each limit a caller has used."""
        report = (await self.api.get("/v1/usage", headers=headers)).json()
        return {limit["name"]: limit["used"] for limit in report["limits"]}


@pytest.fixture
async def serve_members(drain: Drain, tmp_path: Path) -> AsyncGenerator[ServeMembers, None]:
    """Starts a server with accounts and limits over an engine; keyword arguments are settings."""
    async with AsyncExitStack() as stack:

        async def start(engine: Engine, **options: Any) -> Members:
            async def open_engine(_: Settings) -> Engine:
                return engine

            given = {"page": False, "data_dir": tmp_path, "providers": (_PROVIDER,)} | options
            settings, catalog = read_settings(given, None), Catalog.read()
            parts = Parts(settings=settings, catalog=catalog, open_engine=open_engine, drain=drain)
            membership = create_membership(settings, catalog, parts.telemetry.limits)
            url = await stack.enter_async_context(_running(with_membership(parts, membership)))
            api = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30))
            return Members(api, membership)

        yield start


@pytest.fixture
async def api(serve: Serve) -> httpx.AsyncClient:
    """A client of a server that echoes."""
    return await serve(EchoEngine())


@pytest.fixture
def usage() -> Usage:
    """What a scripted answer says it cost."""
    return Usage(
        prompt_tokens=7,
        cached_tokens=2,
        completion_tokens=5,
        reasoning_tokens=3,
        forwards=3,
        queue_milliseconds=1.0,
        first_token_milliseconds=10.0,
        total_milliseconds=30.0,
    )
