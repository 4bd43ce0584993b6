"""How often may an address be wrong?"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from nemotron_app.accounts.errors import TooManyFailures


class Throttle(Protocol):
    """Counts bad credentials by address: each attempt is taken for bad until it is forgiven."""

    async def attempt(self, address: str) -> None:
        """Raises if there were too many."""
        ...

    async def forgive(self, address: str) -> None:
        """The attempt was good."""
        ...


class MemoryThrottle:
    """A leaky bucket for each address, in this process; the oldest are forgotten."""

    def __init__(
        self, *, burst: int = 20, per_minute: int = 20, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._burst = burst
        self._rate = per_minute / 60
        self._timer = timer
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def attempt(self, address: str) -> None:
        level = self._level(address)
        if level + 1 > self._burst:
            raise TooManyFailures((level + 1 - self._burst) / self._rate)
        self._set(address, level + 1)

    async def forgive(self, address: str) -> None:
        self._set(address, max(0.0, self._level(address) - 1))

    def _level(self, address: str) -> float:
        level, since = self._levels.get(address, (0.0, 0.0))
        return max(0.0, level - (self._timer() - since) * self._rate)

    def _set(self, address: str, level: float) -> None:
        self._levels[address] = (level, self._timer())
        self._levels.move_to_end(address)
        if len(self._levels) > 10_000:
            self._levels.popitem(last=False)
