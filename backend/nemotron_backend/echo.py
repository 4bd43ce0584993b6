"""An engine that repeats what it is told: for tests of everything around an engine."""

import asyncio
from collections.abc import AsyncGenerator
from time import perf_counter

from nemotron_backend.echo_scores import MODEL, check_wish, scores_of
from nemotron_backend.echo_text import Prose
from nemotron_backend.embedded.thoughts import Thoughts
from nemotron_backend.engine import ContextTooLong, EngineStatus, UnknownVariant
from nemotron_backend.request import (
    Delta,
    FinishReason,
    Forward,
    GenerationRequest,
    Prompt,
    Token,
    TracedToken,
    Usage,
    Variant,
)

ECHO = Variant(model="echo", size="full", precision="bf16", decode="autoregressive")
THINKERS = tuple(
    Variant(model="echo-thinker", size=size, precision="bf16", decode="autoregressive")
    for size in ("large", "small")
)
REWARD = Variant(model=MODEL, size="full", precision="bf16", decode="autoregressive")
_CONTEXT = 4096
_PROSE = {
    ECHO.model: Prose(thinks=False),
    THINKERS[0].model: Prose(thinks=True),
    REWARD.model: Prose(thinks=False),
}


class EchoEngine:
    """Answers with the prompt's last text, one character a token, `delay` seconds between tokens.

    One of its models thinks first: what stands before `</think>` in the text, or else all of it. Another
    counts in place of answering.
    """

    def __init__(self, *, delay: float = 0.0) -> None:
        self._delay = delay
        self._num_running = 0

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        if request.variant not in self.variants():
            raise UnknownVariant(f"the echo engine does not serve {request.variant}")
        check_wish(request)
        prompt = _PROSE[request.variant.model].read(request.prompt)
        _check_length(len(prompt), request.stopping.max_tokens)
        self._num_running += 1
        try:
            if request.wish == "scores":
                yield await self._scores(prompt)
                return
            for index in range(request.num_choices):
                async for delta in self._choice(request, prompt, index):
                    yield delta
        finally:
            self._num_running -= 1

    async def _scores(self, prompt: str) -> Delta:
        started = perf_counter()
        await asyncio.sleep(self._delay)
        usage = _usage(len(prompt), 0, started)
        return Delta(index=0, scores=scores_of(prompt), finish="stop", usage=usage)

    async def _choice(
        self, request: GenerationRequest, prompt: str, index: int
    ) -> AsyncGenerator[Delta, None]:
        started = perf_counter()
        prose = _PROSE[request.variant.model]
        answer, finish = _cut(prose.answer(prompt), request)
        for position, character in enumerate(answer):
            await asyncio.sleep(self._delay)
            text = prose.show(character)
            yield Delta(
                index=index,
                text=text,
                tokens=(Token(id=ord(character), bytes=text.encode(), logprob=0.0, top=()),),
                trace=(_forward(position, character),) if request.trace else (),
            )
        yield Delta(index=index, finish=finish, usage=_usage(len(prompt), len(answer), started))

    async def tokenize(self, model: str, prompt: Prompt) -> tuple[int, ...]:
        return tuple(ord(character) for character in _prose_of(model).read(prompt))

    async def detokenize(self, model: str, token_ids: tuple[int, ...]) -> str:
        return _prose_of(model).decode(token_ids)

    def variants(self) -> tuple[Variant, ...]:
        return (ECHO, *THINKERS, REWARD)

    def status(self) -> EngineStatus:
        return EngineStatus(
            name="echo",
            state="ready",
            progress="ready",
            num_running=self._num_running,
            num_waiting=0,
            cache_used_bytes=0,
            cache_limit_bytes=0,
            resident=(),
        )

    async def aclose(self) -> None:
        return None


def _prose_of(model: str) -> Prose:
    if model not in _PROSE:
        raise UnknownVariant(f"the echo engine does not serve {model}")
    return _PROSE[model]


def _usage(num_prompt: int, num_answer: int, started: float) -> Usage:
    total = 1000 * (perf_counter() - started)
    return Usage(
        prompt_tokens=num_prompt,
        cached_tokens=0,
        completion_tokens=num_answer,
        reasoning_tokens=0,
        forwards=max(0, num_answer - 1),
        queue_milliseconds=0.0,
        first_token_milliseconds=total / max(1, num_answer),
        total_milliseconds=total,
    )


def _check_length(num_prompt: int, max_tokens: int) -> None:
    if num_prompt + max_tokens > _CONTEXT:
        needed = num_prompt + max_tokens
        message = f"prompt and answer need {needed} tokens, the context holds {_CONTEXT}"
        raise ContextTooLong("messages", message, num_tokens=needed, limit=_CONTEXT)


def _cut(answer: str, request: GenerationRequest) -> tuple[str, FinishReason]:
    """The answer as far as it may go, and why it ends there."""
    stopping = request.stopping
    thoughts = Thoughts(stopping.thinking)
    for place, character in enumerate(answer):
        if not thoughts.are_open and answer.startswith(stopping.strings, place):
            return answer[:place], "stop"
        if place == stopping.max_tokens:
            return answer[:place], "length"
        finish = thoughts.take(ord(character))
        if finish is not None:
            return answer[: place + 1], finish
    return answer, "stop"


def _forward(position: int, character: str) -> Forward:
    token = TracedToken(position=position, id=ord(character), state="accepted")
    return Forward(kind="decode" if position else "prefill", milliseconds=0.0, tokens=(token,))
