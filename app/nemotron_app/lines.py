"""How do scores become lines of JSON?

The status line waits for the first of them or the first error, so that an error has a real HTTP status.
After that an error is a line of its own, the last.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from nemotron_app.errors import EXPECTED, problem_of
from nemotron_app.presence import ClientLeft, while_connected
from nemotron_app.record import Record, record_of
from nemotron_app.wire.score_body import ScoreLine, ScoresBody
from nemotron_app.wire.score_form import rounded
from nemotron_backend.request import Delta
from nemotron_backend.rewards import scalar


async def lines(beats: AsyncGenerator[Delta | None, None], body: ScoresBody) -> AsyncGenerator[bytes, None]:
    """A line for each answer, as soon as it is scored."""
    async with aclosing(beats):
        async for delta in beats:
            if delta is not None and delta.usage is not None:
                yield _line(_scored(delta, body))


def _scored(delta: Delta, body: ScoresBody) -> ScoreLine:
    assert delta.usage is not None
    values = {score.name: score.value for score in delta.scores}
    line: ScoreLine = {
        "index": delta.index,
        "scores": {name: rounded(value) for name, value in values.items()},
        "reward": rounded(scalar(values)),
        "prompt_tokens": delta.usage.prompt_tokens,
        "cached_tokens": delta.usage.cached_tokens,
    }
    name = body.answers[delta.index].id
    if name is not None:
        line["id"] = name
    return line


def _line(content: object) -> bytes:
    return msgspec.json.encode(content) + b"\n"


class LineStream(Response):
    """Sends lines while the client is there; stops making them when it is not."""

    media_type = "application/jsonl"

    def __init__(self, made: AsyncGenerator[bytes, None], headers: Mapping[str, str]) -> None:
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no", **headers})
        del self.headers["content-length"]
        self._made = made

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        record = record_of(scope)
        try:
            await while_connected(receive, self._send_all(send, record))
        except ClientLeft:
            record.late_status = 499

    async def _send_all(self, send: Send, record: Record) -> None:
        async with aclosing(self._made) as made:
            first = await anext(made)
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await _send(send, first)
            try:
                async for line in made:
                    await _send(send, line)
            except EXPECTED as error:
                problem = problem_of(error)
                record.late_status = problem.status
                await _send(send, _line(problem.envelope(record.request_id)))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send(send: Send, line: bytes) -> None:
    await send({"type": "http.response.body", "body": line, "more_body": True})
