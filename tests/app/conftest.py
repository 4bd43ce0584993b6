"""A real server on a free port, over an engine that a test scripts."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from nemotron_app.drain import Drain
from nemotron_app.main import Parts, create_app
from nemotron_app.serve import bind, loopback_url
from nemotron_app.settings import Settings
from nemotron_backend.catalog import Catalog
from nemotron_backend.echo import ECHO, EchoEngine
from nemotron_backend.engine import Engine, EngineState, EngineStatus
from nemotron_backend.request import Delta, GenerationRequest, Prompt, Usage, Variant

Script = Callable[[GenerationRequest], AsyncGenerator[Delta, None]]
Serve = Callable[..., Awaitable[httpx.AsyncClient]]


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
