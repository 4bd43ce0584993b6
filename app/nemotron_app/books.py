"""How does the ledger learn what requests cost, also when the database is away for a moment?

A request is entered before it runs, or it does not run. What it cost is written down before its last byte is
sent; where that fails it is tried again until it succeeds, and the answer goes out all the same. While it
runs, its cost so far is written down now and then, so that a crash loses little of it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType

from sqlalchemy.exc import SQLAlchemyError

from nemotron_app.accounts import Entry, Ledger, Spent
from nemotron_app.accounts.errors import translated
from nemotron_app.accounts.store.ledger import Status

_FAILURES = (SQLAlchemyError, OSError)
_log = logging.getLogger(__name__)


class Books:
    """The ledger, kept current for as long as it is entered."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        interval: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ledger = ledger
        self._interval = interval
        self._sleep = sleep
        self._running: dict[str, Callable[[], Spent]] = {}
        self._unwritten: dict[str, tuple[Spent, Status]] = {}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Books":
        self._task = asyncio.create_task(self._run(), name="ledger of running requests")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.catch_up()

    async def open(self, entry: Entry, spent: Callable[[], Spent]) -> None:
        """Enter a request; `spent` tells what it has cost so far. Raises StoreUnavailable."""
        # Before the answer is there: what may have been entered must be closed.
        self._running[entry.id] = spent
        with translated():
            await self._ledger.open(entry)

    async def close(self, request_id: str, status: Status) -> None:
        """Write down what a request has cost; nothing where it was never entered."""
        spent = self._running.pop(request_id, None)
        if spent is not None:
            await self._close(request_id, spent(), status)

    async def catch_up(self) -> None:
        """Write down what is due."""
        unwritten, self._unwritten = self._unwritten, {}
        for request_id, (spent, status) in unwritten.items():
            await self._close(request_id, spent, status)
        for request_id, so_far in tuple(self._running.items()):
            await self._progress(request_id, so_far())

    async def _close(self, request_id: str, spent: Spent, status: Status) -> None:
        try:
            await self._ledger.close(request_id, spent, status)
        except _FAILURES as error:
            self._unwritten[request_id] = spent, status
            _log.warning("the cost of a request is written down later: %s", type(error).__name__)

    async def _progress(self, request_id: str, spent: Spent) -> None:
        try:
            await self._ledger.progress(request_id, spent)
        except _FAILURES as error:
            _log.warning("the cost so far of a request is not written down: %s", type(error).__name__)

    async def _run(self) -> None:
        while True:
            await self._sleep(self._interval)
            await self.catch_up()
