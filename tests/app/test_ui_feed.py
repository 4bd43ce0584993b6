"""Does a feed lose nothing, end on time and always close its source?"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from nemotron_app.ui.feed import Feed


class Source:
    """Gives numbers, then waits or raises; knows whether it was closed."""

    def __init__(self, count: int, then: Exception | None = None, *, stays: bool = False) -> None:
        self.count = count
        self.then = then
        self.stays = stays
        self.given = asyncio.Event()
        self.closed = asyncio.Event()

    async def __call__(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(self.count):
                yield number
            self.given.set()
            if self.then is not None:
                raise self.then
            if self.stays:
                await asyncio.Event().wait()
        finally:
            self.closed.set()


async def _all(feed: Feed[int]) -> list[int]:
    return [item async for batch in feed.batches() for item in batch]


async def _collect(feed: Feed[int], seen: list[int]) -> None:
    async for batch in feed.batches():
        seen += batch


async def test_every_item_arrives_in_order() -> None:
    source = Source(1000)
    assert await _all(Feed(source(), seconds=0)) == list(range(1000))
    assert source.closed.is_set()


async def test_many_items_make_few_batches() -> None:
    source = Source(1000)
    feed = Feed(source(), seconds=0)
    await source.given.wait()
    assert sum(1 for batch in [b async for b in feed.batches()] if batch) == 1


async def test_an_error_is_raised_after_all_that_came_before_it() -> None:
    feed = Feed(Source(3, ValueError("broken"))(), seconds=0)
    seen: list[int] = []
    with pytest.raises(ValueError, match="broken"):
        await _collect(feed, seen)
    assert seen == [0, 1, 2]


async def test_stop_ends_the_feed_and_closes_the_source() -> None:
    source = Source(2, stays=True)
    feed = Feed(source(), seconds=0)
    await source.given.wait()
    feed.stop()
    assert await _all(feed) == [0, 1]
    assert source.closed.is_set()


async def test_closing_the_batches_closes_the_source() -> None:
    source = Source(1, stays=True)
    async with aclosing(Feed(source(), seconds=0).batches()) as batches:
        assert await anext(batches) == [0]
    assert source.closed.is_set()


async def test_silence_gives_empty_batches_so_that_leaving_is_noticed() -> None:
    async with aclosing(Feed(Source(0, stays=True)(), seconds=0).batches()) as batches:
        assert await anext(batches) == []
