"""What answers at the page's address while the page is still being built?

Gradio takes seconds to import. The API and the engine need not wait for it.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

_NOTICE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="1">
<meta name="color-scheme" content="light dark"><title>Nemotron Playground</title>
<body style="font: 16px system-ui; display: grid; place-items: center; min-height: 90vh">
<p role="status">The playground is starting. This page opens by itself.</p>"""

_log = logging.getLogger(__name__)


class LatePage:
    """A page that is built in a thread; until it stands, a notice that reloads itself."""

    def __init__(self, build: Callable[[], FastAPI]) -> None:
        self._build = build
        self._page: FastAPI | None = None
        self._closing = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        notice = HTMLResponse(_NOTICE, status_code=503, headers={"retry-after": "1"})
        await (self._page or notice)(scope, receive, send)

    @asynccontextmanager
    async def opening(self) -> AsyncGenerator[None, None]:
        """Build the page beside whatever else goes on, and close it at the end."""
        standing = asyncio.create_task(self._stand())
        standing.add_done_callback(_tell_failure)
        try:
            yield
        finally:
            self._closing.set()
            await asyncio.wait({standing})

    async def _stand(self) -> None:
        page = await asyncio.to_thread(self._build)
        async with page.router.lifespan_context(page):
            self._page = page
            await self._closing.wait()


def _tell_failure(standing: "asyncio.Task[None]") -> None:
    if not standing.cancelled() and (error := standing.exception()) is not None:
        _log.error("the page cannot be shown", exc_info=error)
