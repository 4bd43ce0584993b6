"""What do the routes need to answer a call?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from nemotron_app.drain import Drain
from nemotron_app.generation import generate
from nemotron_app.lines import LineStream, lines
from nemotron_app.membership import Membership
from nemotron_app.meter import Meter
from nemotron_app.pulse import Patience, with_pulse
from nemotron_app.record import Record, record_of
from nemotron_app.response import Responding
from nemotron_app.sse import EventStream, Sentinel, events
from nemotron_app.telemetry import Telemetry
from nemotron_app.whole import Whole, collect
from nemotron_app.wire.asked import Asked
from nemotron_app.wire.envelope import Envelope, Maker
from nemotron_app.wire.form import ChatForm, Form
from nemotron_app.wire.responses.body import ResponsesBody
from nemotron_app.wire.responses.frame import Frame
from nemotron_app.wire.responses.spoken import Spoken
from nemotron_app.wire.score_body import ScoresBody
from nemotron_app.wire.tool_calls import offered_tools
from nemotron_app.wire.translate import Translator
from nemotron_backend.catalog import Catalog
from nemotron_backend.engine import Engine
from nemotron_backend.request import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The parts of a running server, and the one path from a call to its answer."""

    catalog: Catalog
    engine: Engine
    translator: Translator
    meter: Meter
    membership: Membership | None
    telemetry: Telemetry
    drain: Drain
    patience: Patience
    maker: Maker

    def answer(self, request: Request, asked: Asked, form: Form) -> Response:
        """The answer to a call, streamed or whole; from the engine it is always a stream."""
        record = record_of(request.scope)
        _note(record, asked)
        deltas = generate(self.engine, self.meter, asked, record)
        beats = with_pulse(deltas, self.patience, self.drain.cut)
        envelope = Envelope(asked=asked, form=form, maker=self.maker)
        headers = _headers(asked.variant)
        if asked.stream:
            return EventStream(events(beats, envelope, record.tally), headers, Sentinel())
        return Whole(lambda: collect(beats, envelope, record.tally), headers)

    def respond(self, request: Request, asked: Asked, body: ResponsesBody, spoken: Spoken) -> Response:
        """The same in the shape of OpenAI's Responses."""
        record = record_of(request.scope)
        _note(record, asked)
        deltas = spoken.renamed(generate(self.engine, self.meter, asked, record))
        beats = with_pulse(deltas, self.patience, self.drain.cut)
        syntax = self.catalog.find(asked.variant.model).tools
        is_single = body.parallel_tool_calls is False
        form = ChatForm(offered_tools(spoken.chat), syntax, is_single=is_single)
        frame = Frame(body=body, asked=asked, maker=self.maker)
        responding, headers = Responding(frame, form, record.tally), _headers(asked.variant)
        if asked.stream:
            return EventStream(responding.events(beats), headers, responding)
        return Whole(lambda: responding.whole(beats), headers)

    def score(self, request: Request, asked: Asked, body: ScoresBody) -> Response:
        """The scores of many answers, as they come."""
        record = record_of(request.scope)
        record.variant, record.is_stream = asked.variant, True
        beats = with_pulse(generate(self.engine, self.meter, asked, record), self.patience, self.drain.cut)
        return LineStream(lines(beats, body), _headers(asked.variant))


def _note(record: Record, asked: Asked) -> None:
    record.variant = asked.variant
    record.is_stream = asked.stream


def _headers(variant: Variant) -> Mapping[str, str]:
    return {
        "x-nemo-size": variant.size,
        "x-nemo-precision": variant.precision,
        "x-nemo-decode-mode": variant.decode,
    }


async def _gateway(request: Request) -> Gateway:  # a plain function would run in a thread
    gateway = request.app.state.gateway
    assert isinstance(gateway, Gateway)
    return gateway


Here = Annotated[Gateway, Depends(_gateway)]
