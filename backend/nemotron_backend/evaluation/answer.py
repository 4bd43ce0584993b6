"""What comes back for one question?"""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from nemotron_backend.engine import ContextTooLong, Engine
from nemotron_backend.request import Delta, Forward, GenerationRequest, Usage

_NOTHING = Usage(
    prompt_tokens=0,
    cached_tokens=0,
    completion_tokens=0,
    reasoning_tokens=0,
    forwards=0,
    queue_milliseconds=0.0,
    first_token_milliseconds=0.0,
    total_milliseconds=0.0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What one verifying forward made of the tokens drafted for it."""

    num_drafted: int
    num_accepted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was thought and said, at what cost.

    `milliseconds` is the time as whoever asked saw it; `token_ids` are empty where only text comes back.
    `drafts` are there where a trace was asked for.
    """

    text: str
    reasoning: str
    token_ids: tuple[int, ...]
    drafts: tuple[Draft, ...]
    usage: Usage
    milliseconds: float

    @property
    def said(self) -> tuple[tuple[int, ...], str, str]:
        """What two answers share that are the same."""
        return self.token_ids, self.reasoning, self.text


class Asker(Protocol):
    """Whoever can be asked."""

    async def ask(self, request: GenerationRequest) -> Answer:
        """The whole answer. Raises EngineError."""
        ...


class EngineAsker:
    """Asks an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def ask(self, request: GenerationRequest) -> Answer:
        started = perf_counter()
        try:
            deltas = [delta async for delta in self._engine.stream(request)]
        except ContextTooLong:
            # It is a wrong answer, and the others count all the same.
            deltas = [Delta(index=0, usage=_NOTHING)]
        return _gathered(deltas, 1000 * (perf_counter() - started))


def _gathered(deltas: Sequence[Delta], milliseconds: float) -> Answer:
    usages = [delta.usage for delta in deltas if delta.usage is not None]
    return Answer(
        text="".join(delta.text for delta in deltas),
        reasoning="".join(delta.reasoning for delta in deltas),
        token_ids=tuple(token.id for delta in deltas for token in delta.tokens),
        drafts=tuple(
            _draft(forward) for delta in deltas for forward in delta.trace if forward.kind == "verify"
        ),
        usage=usages[-1] if usages else _NOTHING,
        milliseconds=milliseconds,
    )


def _draft(forward: Forward) -> Draft:
    states = [token.state for token in forward.tokens]
    accepted = states.count("accepted")
    return Draft(num_drafted=accepted + states.count("rejected"), num_accepted=accepted)
