"""How does what engines make reach one call?"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace

from nemotron_app.meter import Meter
from nemotron_app.record import Record
from nemotron_app.wire.asked import Asked
from nemotron_backend.engine import Engine
from nemotron_backend.request import Delta, GenerationRequest


async def generate(engine: Engine, meter: Meter, asked: Asked, record: Record) -> AsyncGenerator[Delta, None]:
    """The deltas of all prompts of a call, charged to its caller. Closing it aborts the engine's work."""
    async with meter.charge(record, asked, engine), aclosing(_merged(engine, asked.requests)) as deltas:
        async for delta in deltas:
            record.tally.add(delta)
            yield delta


def _merged(engine: Engine, requests: Sequence[GenerationRequest]) -> AsyncGenerator[Delta, None]:
    return engine.stream(requests[0]) if len(requests) == 1 else _interleaved(engine, requests)


async def _interleaved(engine: Engine, requests: Sequence[GenerationRequest]) -> AsyncGenerator[Delta, None]:
    """All requests at once, so that the engine can batch them; choices are numbered through."""
    streams = [engine.stream(request) for request in requests]
    pending = {asyncio.ensure_future(anext(stream)): place for place, stream in enumerate(streams)}
    try:
        while pending:
            done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                place = pending.pop(task)
                try:
                    delta = task.result()
                except StopAsyncIteration:
                    continue
                pending[asyncio.ensure_future(anext(streams[place]))] = place
                yield replace(delta, index=place * requests[place].num_choices + delta.index)
    finally:
        await _abandon(pending)
        for stream in streams:
            await stream.aclose()


async def _abandon(tasks: "Iterable[asyncio.Future[Delta]]") -> None:
    abandoned = tuple(tasks)
    for task in abandoned:
        task.cancel()
    await asyncio.gather(*abandoned, return_exceptions=True)
