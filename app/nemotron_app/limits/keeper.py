"""Who tells the limiter that a request still runs?"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

from nemotron_app.limits.errors import LimiterUnavailable
from nemotron_app.limits.lease import Lease
from nemotron_app.limits.limiter import Limiter
from nemotron_app.limits.state import LimitState


class Keeper:
    """Renews every lease it keeps, each `interval` seconds, for as long as it is entered.

    An interval of a third of the lease time forgives one lost renewal.
    """

    def __init__(
        self,
        limiter: Limiter,
        *,
        interval: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._limiter = limiter
        self._interval = interval
        self._sleep = sleep
        self._kept: dict[str, tuple[Lease, Callable[[], int]]] = {}
        self._task: asyncio.Task[None] | None = None
        self._settling: set[asyncio.Task[tuple[LimitState, ...]]] = set()

    async def __aenter__(self) -> "Keeper":
        self._task = asyncio.create_task(self._run(), name="renewal of leases")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, *self._settling, return_exceptions=True)

    def keep(self, lease: Lease, used: Callable[[], int]) -> None:
        """Renew from now on; `used` tells the weighted tokens so far."""
        self._kept[lease.id] = lease, used

    async def settle(self, lease: Lease, used: int) -> tuple[LimitState, ...]:
        """Stop renewing and settle, to the end even if the caller is cancelled meanwhile."""
        self._kept.pop(lease.id, None)
        task = asyncio.create_task(self._limiter.settle(lease, used))
        self._settling.add(task)  # the event loop alone would not keep it from the garbage collector
        task.add_done_callback(self._settling.discard)
        return await asyncio.shield(task)

    async def renew_all(self) -> None:
        """Renew every kept lease once."""
        await asyncio.gather(*(self._renew(lease, used()) for lease, used in self._kept.values()))

    async def _run(self) -> None:
        while True:
            await self._sleep(self._interval)
            await self.renew_all()

    async def _renew(self, lease: Lease, used: int) -> None:
        try:
            await self._limiter.renew(lease, used)
        except LimiterUnavailable:
            return  # the lease lives on until its expiry, and the next renewal says the same and more
