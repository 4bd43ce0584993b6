"""Does the server still take requests, and how many answers are under way?"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager, suppress

_SECONDS_TO_SAY_GOODBYE = 5.0


class Drain:
    """Open, then draining: nothing new is taken; at last cut: what still runs is broken off."""

    def __init__(self) -> None:
        self._num_active = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.is_draining = False
        self.cut = asyncio.Event()

    @property
    def num_active(self) -> int:
        """Answers under way."""
        return self._num_active

    @contextmanager
    def taking(self) -> Generator[None]:
        """Count one answer while it is under way."""
        self._num_active += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._num_active -= 1
            if self._num_active == 0:
                self._idle.set()

    async def run(self, seconds: float) -> None:
        """Take nothing new, wait for what runs, and break it off after `seconds`."""
        self.is_draining = True
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            self.cut.set()
            await self._until_idle(_SECONDS_TO_SAY_GOODBYE)

    async def _until_idle(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
