"""How does a stream become few redraws, and how is it cut?"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Generic, TypeVar

Item = TypeVar("Item")

REDRAW_SECONDS = 0.04
PULSE_SECONDS = 0.5


class Feed(Generic[Item]):
    """A stream that is read at its own pace and handed on in batches; `stop` ends it from outside.

    Must be made inside a running event loop. However it ends, its source is closed.
    """

    def __init__(self, source: AsyncGenerator[Item, None], *, seconds: float = REDRAW_SECONDS) -> None:
        self.is_stopped = False
        self._is_over = False
        self._seconds = seconds
        self._arrived: asyncio.Queue[Item | None] = asyncio.Queue()
        self._pump = asyncio.create_task(self._read(source))

    def stop(self) -> None:
        """Take nothing more. The batches end after what has arrived already."""
        self.is_stopped = True
        self._pump.cancel()

    async def batches(self) -> AsyncGenerator[list[Item], None]:
        """What arrived: at once if it is the first thing, then at most once every `seconds`.

        In silence an empty batch comes now and then: Gradio notices that a visitor has left, and closes
        this generator, only between two of its items. What the source raises is raised here, after all
        that it gave.
        """
        try:
            while not self._is_over:
                yield await self._batch()
                await asyncio.sleep(self._seconds)
            if not self.is_stopped:
                await self._pump
        finally:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)

    async def _read(self, source: AsyncGenerator[Item, None]) -> None:
        try:
            async with aclosing(source):
                async for item in source:
                    self._arrived.put_nowait(item)
        finally:
            self._arrived.put_nowait(None)

    async def _batch(self) -> list[Item]:
        """The next item and all that are there with it; none if there is silence, or the end."""
        batch: list[Item] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(PULSE_SECONDS):
                self._take(await self._arrived.get(), batch)
        while not self._arrived.empty():
            self._take(self._arrived.get_nowait(), batch)
        return batch

    def _take(self, item: Item | None, batch: list[Item]) -> None:
        if item is None:
            self._is_over = True
        else:
            batch.append(item)
