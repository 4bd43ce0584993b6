"""Is a refusal so short that waiting serves the caller better?"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from nemotron_app.limits.cost import Cost
from nemotron_app.limits.errors import LimitExceeded
from nemotron_app.limits.lease import Lease
from nemotron_app.limits.limiter import Limiter
from nemotron_app.limits.tier import Tier


class Patience:
    """Waits out refusals for up to `seconds` a request, and at most `waiting` requests an owner."""

    def __init__(
        self,
        limiter: Limiter,
        *,
        seconds: float,
        waiting: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._limiter = limiter
        self._seconds = seconds
        self._most_waiting = waiting
        self._clock = clock
        self._sleep = sleep
        self._waiting: Counter[str] = Counter()

    async def reserve(self, owner: str, tier: Tier, cost: Cost) -> Lease:
        """As the limiter does, but later if need be. Raises what the limiter raises."""
        deadline = self._clock() + self._seconds
        while True:
            try:
                return await self._limiter.reserve(owner, tier, cost)
            except LimitExceeded as refusal:
                await self._wait(owner, refusal, deadline)

    async def _wait(self, owner: str, refusal: LimitExceeded, deadline: float) -> None:
        seconds = refusal.retry_after
        if seconds is None or self._clock() + seconds > deadline:
            raise refusal
        if self._waiting[owner] >= self._most_waiting:
            raise refusal
        self._waiting[owner] += 1
        try:
            await self._sleep(seconds)
        finally:
            self._waiting[owner] -= 1
            self._waiting += Counter()  # drops owners at zero
