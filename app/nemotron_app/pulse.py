"""How long may a stream be silent?"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, TypeVar

from nemotron_app.errors import EngineSilent, NotReady

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds until the first sign of life, between later ones, and until the stream is given up."""

    hold: float
    keep_alive: float
    silence: float


async def with_pulse(
    source: AsyncGenerator[Item, None], patience: Patience, cut: asyncio.Event
) -> AsyncGenerator[Item | None, None]:
    """The items of `source`, and None whenever it has been silent for a while.

    Raises EngineSilent when it stays silent, and NotReady when `cut` is set. Closes `source`.
    """
    cutting = asyncio.ensure_future(cut.wait())
    waiting = asyncio.ensure_future(anext(source))
    silent, pause = 0.0, patience.hold
    try:
        while True:
            await asyncio.wait({waiting, cutting}, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                try:
                    item = waiting.result()
                except StopAsyncIteration:
                    return
                silent = 0.0
                yield item
                waiting = asyncio.ensure_future(anext(source))
            elif cutting.done():
                raise NotReady("the server stops", code="shutting_down", headers={"retry-after": "5"})
            else:
                silent += pause
                _check_silence(silent, patience)
                yield None
            pause = patience.keep_alive
    finally:
        await _abandon(cutting)
        await _abandon(waiting)
        await source.aclose()


def _check_silence(seconds: float, patience: Patience) -> None:
    if seconds >= patience.silence:
        raise EngineSilent(f"the engine said nothing for {seconds:g} seconds", code="engine_silent")


async def _abandon(task: "asyncio.Future[Any]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
