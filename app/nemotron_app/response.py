"""How do deltas become a response, in one piece or as events?

An event has a name and a number. The first one waits for the engine's first word, so that an error before it
has a real HTTP status; after it an error is two events, `error` and `response.failed`. There is no `[DONE]`.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from itertools import count

import msgspec

from nemotron_app.errors import Problem
from nemotron_app.sse import KEEP_ALIVE
from nemotron_app.tally import Tally
from nemotron_app.wire.answer import ForwardAnswer
from nemotron_app.wire.evidence import trace_of
from nemotron_app.wire.form import ChatForm
from nemotron_app.wire.responses.answer import ResponseAnswer
from nemotron_app.wire.responses.frame import Frame
from nemotron_app.wire.responses.items import Event
from nemotron_app.wire.responses.output import Output
from nemotron_backend.request import Delta

Beats = AsyncGenerator[Delta | None, None]


class Responding:
    """Makes one response out of the beats of its engine."""

    done = b""

    def __init__(self, frame: Frame, form: ChatForm, tally: Tally) -> None:
        self._frame = frame
        self._form = form
        self._tally = tally
        self._output = Output()
        self._trace: list[ForwardAnswer] = []
        self._numbers = count()

    async def whole(self, beats: Beats) -> bytes:
        """The response in one piece, once the engine has finished."""
        async with aclosing(beats):
            async for delta in beats:
                for _ in self._take(delta) if delta is not None else ():
                    pass  # the items are what is wanted, not the news of them
        return msgspec.json.encode(self._ended())

    async def events(self, beats: Beats) -> AsyncGenerator[bytes, None]:
        """The response as it is made."""
        has_begun = False
        async with aclosing(beats):
            async for delta in beats:
                if not has_begun:
                    has_begun = True
                    for kind in ("response.created", "response.in_progress"):
                        yield self._write({"type": kind, "response": self._frame.begun("in_progress", [])})
                if delta is None:
                    yield KEEP_ALIVE
                    continue
                for event in self._take(delta):
                    yield self._write(event)
        answer = self._ended()
        yield self._write({"type": f"response.{answer['status']}", "response": answer})

    def failure(self, problem: Problem, request_id: str) -> bytes:
        """The events that tell of a failure."""
        code = problem.code or problem.type
        message = f"{problem.message} (request {request_id})"
        told: Event = {"type": "error", "code": code, "message": message, "param": problem.param}
        failed = self._frame.failed(self._output.items(), {"code": "server_error", "message": message})
        return self._write(told) + self._write({"type": "response.failed", "response": failed})

    def _take(self, delta: Delta) -> Iterator[Event]:
        if self._frame.asked.show_trace:
            self._trace += trace_of(delta)
        logprobs = self._frame.asked.wants_logprobs
        yield from self._output.add(self._form.chunk(delta, logprobs=logprobs, offset=0))

    def _ended(self) -> ResponseAnswer:
        output = self._output
        return self._frame.ended(output.items(), self._tally, self._trace, is_cut=output.is_cut)

    def _write(self, event: Event) -> bytes:
        name = str(event["type"]).encode()
        content = msgspec.json.encode(event | {"sequence_number": next(self._numbers)})
        return b"event: " + name + b"\ndata: " + content + b"\n\n"
