"""How are several streams read as one, to which more may be added meanwhile?"""

import asyncio
from collections.abc import AsyncGenerator

from nemotron_backend.request import Delta


class Streams:
    """Whatever comes first from any of them. Closing it closes them all."""

    def __init__(self) -> None:
        self._pending: dict[asyncio.Future[Delta], AsyncGenerator[Delta, None]] = {}

    def add(self, stream: AsyncGenerator[Delta, None]) -> None:
        """Read this one too from now on."""
        self._pending[asyncio.ensure_future(anext(stream))] = stream

    async def deltas(self) -> AsyncGenerator[Delta, None]:
        """All deltas until no stream has any left. Raises what a stream raises."""
        while self._pending:
            done, _ = await asyncio.wait(self._pending, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in self._pending if task in done]:
                try:
                    delta = task.result()
                except StopAsyncIteration:
                    del self._pending[task]
                    continue
                self.add(self._pending.pop(task))
                yield delta

    async def aclose(self) -> None:
        """Abort what still runs."""
        pending, self._pending = self._pending, {}
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for stream in pending.values():
            await stream.aclose()
