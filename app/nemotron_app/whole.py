"""How do deltas become one JSON answer?"""

from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from nemotron_app.presence import ClientLeft, while_connected
from nemotron_app.record import record_of
from nemotron_app.tally import Tally
from nemotron_app.wire.answer import ForwardAnswer
from nemotron_app.wire.envelope import Envelope
from nemotron_app.wire.evidence import trace_of
from nemotron_app.wire.form import Choice
from nemotron_backend.request import Delta


async def collect(beats: AsyncGenerator[Delta | None, None], envelope: Envelope, tally: Tally) -> bytes:
    """The answer in one piece, once the engine has finished."""
    choices = [Choice(index) for index in range(envelope.asked.num_answers)]
    trace: list[ForwardAnswer] = []
    async with aclosing(beats):
        async for delta in beats:
            if delta is not None:
                choices[delta.index].add(delta)
                trace.extend(trace_of(delta) if envelope.asked.show_trace else [])
    return envelope.whole(choices, tally, trace)


class Whole(Response):
    """Answers in one piece while the client is there; the engine stops when it is not."""

    media_type = "application/json"

    def __init__(self, make: Callable[[], Coroutine[None, None, bytes]], headers: Mapping[str, str]) -> None:
        super().__init__(headers=headers)
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self.body = await while_connected(receive, self._make())
        except ClientLeft:
            record_of(scope).late_status = 499
            return
        self.headers["content-length"] = str(len(self.body))
        await super().__call__(scope, receive, send)
