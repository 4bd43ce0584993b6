"""A browser in front of a real server, over an engine whose every word a test can hold back."""

import asyncio
import socket
import subprocess
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright

from nemotron_app.main import Parts, create_app, with_membership
from nemotron_app.membership import create_membership
from nemotron_app.page_identity import identify_by
from nemotron_app.serve import bind, loopback_url
from nemotron_app.settings import Settings
from nemotron_app.ui.mount import mount_page
from nemotron_app.ui.site import Site
from nemotron_backend.catalog import Catalog
from nemotron_backend.echo import EchoEngine
from nemotron_backend.engine import Engine, EngineError, EngineState, EngineStatus
from nemotron_backend.request import Conversation, Delta, GenerationRequest, Prompt, Usage, Variant

CHROMIUM = "/usr/bin/chromium"
ARTIFACTS = Path(__file__).parents[3] / "test-artifacts"
MODEL = "smollm2-135m-instruct"
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# A page has a share of the machine alone, beside engines and other tests.
PATIENCE_MILLISECONDS = 60_000

Visit = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker("browser")
            # Gradio's queue uses two things that pandas 3 calls obsolete.
            for obsolete in (
                "'future.no_silent_downcasting' is deprecated",
                "The copy keyword is deprecated",
            ):
                item.add_marker(pytest.mark.filterwarnings(f"ignore:{obsolete}"))


class Stage:
    """Serves a small model in two of its three precisions, and repeats the question word by word.

    While `is_held`, a word leaves only when `let` says so. Another set of variants may be `served`, and a
    script may say what a decode mode answers instead. What it is told from the test's thread takes effect in
    the server's.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.state: EngineState = "ready"
        self.progress = "ready"
        self.trouble: EngineError | None = None
        self.thoughts = ""
        self.served: tuple[str, ...] = (
            f"{MODEL}:full:bf16:autoregressive",
            f"{MODEL}:full:fp8:autoregressive",
        )
        self.scripts: dict[str, tuple[Delta, ...]] = {}
        self.is_held = False
        self.num_running = 0
        self.requests: list[GenerationRequest] = []
        self._arrived = threading.Condition()
        self.started = threading.Event()
        self.freed = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._permits = asyncio.Semaphore(0)

    def told(self) -> list[tuple[str, str]]:
        """Who said what in the prompt of the last request."""
        prompt = self.requests[-1].prompt
        assert isinstance(prompt, Conversation)
        return [(message.role, message.content) for message in prompt.messages]

    def await_requests(self, number: int) -> None:
        """Wait until so many have begun since the stage was as new."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.requests) >= number, timeout=60)

    def let(self, number: int) -> None:
        """Let so many more words go, of an answer that has begun or soon will."""
        assert self.started.wait(timeout=10)
        assert self._loop is not None
        for _ in range(number):
            self._loop.call_soon_threadsafe(self._permits.release)

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        self._loop = asyncio.get_running_loop()
        with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
        self.freed.clear()
        self.started.set()
        self.num_running += 1
        try:
            if self.trouble is not None:
                raise self.trouble
            if self.thoughts:
                yield Delta(index=0, reasoning=self.thoughts)
            for delta in self.scripts.get(request.variant.decode) or _repeated(request.prompt):
                if self.is_held and delta.finish is None:
                    await self._permits.acquire()
                yield delta
        finally:
            self.num_running -= 1
            self.freed.set()

    async def tokenize(self, model: str, prompt: Prompt) -> tuple[int, ...]:
        return await EchoEngine().tokenize("echo", prompt)

    async def detokenize(self, model: str, token_ids: tuple[int, ...]) -> str:
        return await EchoEngine().detokenize("echo", token_ids)

    def variants(self) -> tuple[Variant, ...]:
        return tuple(Variant.parse(text) for text in self.served)

    def status(self) -> EngineStatus:
        return EngineStatus(
            name="stage",
            state=self.state,
            progress=self.progress,
            num_running=self.num_running,
            num_waiting=0,
            cache_used_bytes=0,
            cache_limit_bytes=0,
            resident=(),
        )

    async def aclose(self) -> None:
        return None


def _repeated(prompt: Prompt) -> tuple[Delta, ...]:
    words = _question(prompt).split(" ")
    texts = [word if number == 0 else f" {word}" for number, word in enumerate(words)]
    deltas = (Delta(index=0, text=text) for text in texts)
    return (*deltas, Delta(index=0, finish="stop", usage=_usage(len(words))))


def _question(prompt: Prompt) -> str:
    assert isinstance(prompt, Conversation)
    return prompt.messages[-1].content


def _usage(num_words: int) -> Usage:
    return Usage(
        prompt_tokens=12,
        cached_tokens=4,
        completion_tokens=num_words,
        reasoning_tokens=0,
        forwards=num_words - 1,
        queue_milliseconds=0.0,
        first_token_milliseconds=20.0,
        total_milliseconds=20.0 + 10.0 * num_words,
    )


class _Server(uvicorn.Server):
    """Says when it takes connections."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


@contextmanager
def serving(engine: Engine, settings: Settings) -> Iterator[str]:
    """The address of a server with accounts and the page, in a thread of its own."""
    started: Future[str] = Future()
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(engine, settings, started, stop)))
    thread.start()
    try:
        yield started.result(timeout=60)
    finally:
        stop.set()
        thread.join()


async def _serve(engine: Engine, settings: Settings, started: "Future[str]", stop: threading.Event) -> None:
    async def open_engine(_: Settings) -> Engine:
        return engine

    sock = bind("127.0.0.1", settings.port)
    parts = Parts(settings=settings, catalog=Catalog.read(), open_engine=open_engine)
    membership = create_membership(settings, parts.catalog, parts.telemetry.limits)
    app = create_app(with_membership(parts, membership))
    identify = identify_by(membership.accounts)
    mount_page(app, Site(api_url=loopback_url(sock), version="test", identify=identify))
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = _Server(config, lambda: started.set_result(loopback_url(sock)))
    serve = asyncio.create_task(server.serve([sock]))
    await asyncio.to_thread(stop.wait)
    server.should_exit = True
    await serve


# The browser lives as long as a module: Playwright's own event loop must not run while others' do.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def stage_type() -> type[Stage]:
    """For tests that need a server with settings of their own, with `serving_of`."""
    return Stage


@pytest.fixture(scope="session")
def serving_of() -> Callable[[Engine, Settings], AbstractContextManager[str]]:
    return serving


@pytest.fixture(scope="module")
def _staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, str]]:
    stage = Stage()
    with serving(stage, Settings(port=0, data_dir=tmp_path_factory.mktemp("accounts"))) as url:
        yield stage, url


@pytest.fixture
def stage(_staged: tuple[Stage, str]) -> Stage:
    """The engine behind the page, as new."""
    _staged[0].reset()
    return _staged[0]


@pytest.fixture
def site(_staged: tuple[Stage, str], stage: Stage) -> str:
    """Where the page is."""
    return _staged[1]


@pytest.fixture
def visit(browser: Browser, site: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """Opens the page like a visitor; keyword arguments are the browser context's.

    Afterwards no page may have asked another host for anything or have thrown an error.
    """
    pages: list[Page] = []
    asked: list[str] = []
    errors: list[str] = []

    def open_page(*, is_ready: bool = True, **options: Any) -> Page:
        options.setdefault("viewport", {"width": 1440, "height": 900})
        page = browser.new_context(**options).new_page()
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        pages.append(page)
        page.on("request", lambda sent: asked.append(sent.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(site)
        if is_ready:
            page.locator("#np-send:enabled").wait_for()
        return page

    yield open_page
    ARTIFACTS.mkdir(exist_ok=True)
    for number, page in enumerate(pages):
        if not page.is_closed():
            page.screenshot(path=ARTIFACTS / f"{request.node.name}-{number}.png")
        page.context.close()
    assert errors == []
    assert [url for url in asked if not url.startswith((f"{site}/", "data:", "blob:"))] == []


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The packages of the Node tests' lock file."""
    folder = Path(__file__).parents[1] / "node"
    installed = folder / "node_modules"
    if not (installed / "axe-core").exists():
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return installed


@pytest.fixture(scope="session")
def axe_script(node_modules: Path) -> str:
    """The accessibility checker axe-core."""
    return (node_modules / "axe-core" / "axe.min.js").read_text("utf-8")
