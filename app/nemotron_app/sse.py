"""How do deltas become server-sent events?

The status line waits for the first delta or the first error, a bounded time, so that an error has a
real HTTP status. After that an error is an event, and `[DONE]` ends every stream of completions.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from typing import Protocol

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from nemotron_app.errors import EXPECTED, Problem, problem_of
from nemotron_app.presence import ClientLeft, while_connected
from nemotron_app.record import Record, record_of
from nemotron_app.tally import Tally
from nemotron_app.wire.answer import ChatChunkChoice, Evidence, TextChoice
from nemotron_app.wire.asked import Asked
from nemotron_app.wire.envelope import Envelope
from nemotron_app.wire.evidence import canvas_of, trace_of
from nemotron_backend.request import Delta

KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"
HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


async def events(
    beats: AsyncGenerator[Delta | None, None], envelope: Envelope, tally: Tally
) -> AsyncGenerator[bytes, None]:
    """The events of one answer, without the final `[DONE]`; a beat without a delta becomes a comment."""
    writer = _Writer(envelope, tally)
    async with aclosing(beats):
        async for delta in beats:
            if delta is None:
                yield KEEP_ALIVE
                continue
            for chunk in writer.chunks(delta):
                yield _event(chunk)
    if envelope.asked.include_usage:
        yield _event(envelope.last_chunk([], tally, {}))


class _Writer:
    """Writes the chunks of one answer, knowing what it has written before."""

    def __init__(self, envelope: Envelope, tally: Tally) -> None:
        self._envelope = envelope
        self._tally = tally
        self._lengths: dict[int, int] = {}
        self._num_finished = 0

    def chunks(self, delta: Delta) -> Iterator[bytes]:
        """The chunks that one delta makes: often one, none if it says nothing that was asked for."""
        asked, form = self._envelope.asked, self._envelope.form
        if delta.index not in self._lengths and (opening := form.opening(delta.index)):
            yield self._envelope.chunk([opening], self._tally)
        offset = self._lengths.get(delta.index, 0)
        self._lengths[delta.index] = offset + len(delta.text)
        self._num_finished += delta.finish is not None
        choice = form.chunk(delta, logprobs=asked.wants_logprobs, offset=offset)
        evidence = _evidence(delta, asked)
        if self._num_finished == asked.num_answers and not asked.include_usage:
            yield self._envelope.last_chunk([choice], self._tally, evidence)
        elif _has_news(choice) or "trace" in evidence:
            more = {"nvext": evidence} if evidence else {}
            yield self._envelope.chunk([choice], self._tally, **more)
        if delta.canvas is not None:
            canvas = canvas_of(delta.index, delta.canvas)
            yield self._envelope.chunk([], self._tally, nvext={"canvas": canvas})


def _evidence(delta: Delta, asked: Asked) -> Evidence:
    evidence: Evidence = {"size": delta.size} if delta.size else {}
    if asked.show_trace and (trace := trace_of(delta)):
        evidence["trace"] = trace
    return evidence


def _has_news(choice: ChatChunkChoice | TextChoice) -> bool:
    return bool(choice.get("delta") or choice.get("text") or choice["logprobs"] or choice["finish_reason"])


def _event(content: bytes) -> bytes:
    return b"data: " + content + b"\n\n"


class Ending(Protocol):
    """How a stream ends: with `done` in any case, and with a failure before that if there is one."""

    @property
    def done(self) -> bytes: ...

    def failure(self, problem: Problem, request_id: str) -> bytes:
        """What tells of it."""
        ...


class Sentinel:
    """The ending of completions: `[DONE]`, after an error as its envelope."""

    done = DONE

    def failure(self, problem: Problem, request_id: str) -> bytes:
        return _event(msgspec.json.encode(problem.envelope(request_id)))


class EventStream(Response):
    """Sends events while the client is there; stops making them when it is not."""

    media_type = "text/event-stream"

    def __init__(
        self, frames: AsyncGenerator[bytes, None], headers: Mapping[str, str], ending: Ending
    ) -> None:
        super().__init__(headers={**HEADERS, **headers})
        del self.headers["content-length"]
        self._frames = frames
        self._ending = ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        record = record_of(scope)
        try:
            await while_connected(receive, self._send_all(send, record))
        except ClientLeft:
            record.late_status = 499

    async def _send_all(self, send: Send, record: Record) -> None:
        async with aclosing(self._frames) as frames:
            first = await anext(frames)
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await _send(send, first)
            try:
                async for frame in frames:
                    await _send(send, frame)
            except EXPECTED as error:
                problem = problem_of(error)
                record.late_status = problem.status
                await _send(send, self._ending.failure(problem, record.request_id))
        await send({"type": "http.response.body", "body": self._ending.done, "more_body": False})


async def _send(send: Send, frame: bytes) -> None:
    await send({"type": "http.response.body", "body": frame, "more_body": True})
