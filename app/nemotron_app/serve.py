"""How does the server run, and how does it stop?"""

import asyncio
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from nemotron_app.drain import Drain


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """How to stop: what to drain, and how many seconds that may take."""

    drain: Drain
    seconds: float


class Server(uvicorn.Server):
    """Drains on the first signal to stop, while it still listens; stops at once on the second."""

    def __init__(self, app: ASGIApp, stopping: Stopping, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                access_log=False,  # every request has its own log line
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=5,
                timeout_keep_alive=30,
            )
        )
        self._stopping = stopping
        self._on_ready = on_ready
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Ours instead of uvicorn's, which would raise the signal again and so end with a failure."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        if self._draining is not None:
            self.should_exit = self.force_exit = True
            return
        self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        await self._stopping.drain.run(self._stopping.seconds)
        self.should_exit = True


def bind(host: str, port: int) -> socket.socket:
    """A socket on that address, bound before the app is made so that its port is known. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # Only where the protocol is named does asyncio send small writes at once; else each may wait 40 ms.
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def loopback_url(sock: socket.socket) -> str:
    """Where this machine itself finds a bound socket."""
    name: tuple[str, int] = sock.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name[0], name[0])
    return f"http://[{host}]:{name[1]}" if ":" in host else f"http://{host}:{name[1]}"
