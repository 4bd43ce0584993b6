"""How is the engine's process kept alive?"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from nemotron_backend.embedded.connection import Connection
from nemotron_backend.embedded.messages import FromWorker, Load, Message, Ready, StartFailed
from nemotron_backend.embedded.options import EmbeddedOptions

_log = logging.getLogger(__name__)

Sleep = Callable[[float], Awaitable[None]]

_MAX_FAILED_STARTS = 3
_LONGEST_PAUSE = 30.0


class Listener(Protocol):
    """Who is told what the process says and does."""

    def on_begin(self) -> None:
        """A process runs, and will say how far it is."""
        ...

    async def on_message(self, message: FromWorker) -> None:
        """The process said something."""
        ...

    def on_end(self, how: str) -> None:
        """The process is gone; it will be started again."""
        ...

    def on_failure(self, reason: str) -> None:
        """The process is gone for good."""
        ...


@dataclass(slots=True)
class _Run:
    """One life of the process."""

    was_ready: bool = False
    failure: str = ""
    ending: str = ""


class Supervisor:
    """Starts the process, starts it again when it dies, and gives up when it cannot start."""

    def __init__(self, options: EmbeddedOptions, listener: Listener, *, sleep: Sleep = asyncio.sleep) -> None:
        self._options = options
        self._listener = listener
        self._sleep = sleep
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process's id while there is one."""
        return self._connection.pid if self._connection is not None else None

    def start(self) -> None:
        """Begin, without waiting for anything."""
        self._task = asyncio.create_task(self._keep_alive(), name="engine process")

    def send(self, message: Message) -> None:
        """Tell the process something; lost when it is gone."""
        if self._connection is not None:
            self._connection.send(message)

    async def aclose(self) -> None:
        """End the process."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _keep_alive(self) -> None:
        failed_starts, pause = 0, 0.0
        while True:
            run = await self._run()
            failed_starts = 0 if run.was_ready else failed_starts + 1
            if run.failure or failed_starts == _MAX_FAILED_STARTS:
                reason = run.failure or f"the engine process ended {failed_starts} times while it started"
                self._listener.on_failure(f"{reason} ({run.ending})" if not run.failure else reason)
                return
            _log.error("the engine process ended (%s); it starts again", run.ending)
            self._listener.on_end(run.ending)
            # At once after a first death; slower and slower while it keeps dying soon.
            await self._sleep(pause)
            pause = min(_LONGEST_PAUSE, max(0.5, 2 * pause))

    async def _run(self) -> _Run:
        run = _Run()
        connection = self._connection = await Connection.open()
        try:
            connection.send(Load(options=self._options))
            self._listener.on_begin()
            while (message := await connection.receive()) is not None:
                run.was_ready = run.was_ready or isinstance(message, Ready)
                run.failure = message.reason if isinstance(message, StartFailed) else run.failure
                await self._listener.on_message(message)
        finally:
            self._connection = None
            run.ending = await connection.close()
        return run
