"""An engine that repeats what it is told: for tests of everything around an engine."""

import asyncio
from collections.abc import AsyncGenerator
from time import perf_counter

from nemotron_backend.engine import ContextTooLong, EngineStatus, InvalidRequest, UnknownVariant
from nemotron_backend.request import (
    Conversation,
    Delta,
    Forward,
    GenerationRequest,
    Prompt,
    Text,
    Token,
    TokenIds,
    TracedToken,
    Usage,
    Variant,
)

ECHO = Variant(model="echo", size="full", precision="bf16", decode="autoregressive")
_CONTEXT = 4096


class EchoEngine:
    """Answers with the prompt's last text, one character a token, `delay` seconds between tokens.

    A token's id is its code point, so every id is its own text.
    """

    def __init__(self, *, delay: float = 0.0) -> None:
        self._delay = delay
        self._num_running = 0

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        if request.variant != ECHO:
            raise UnknownVariant(f"the echo engine does not serve {request.variant}")
        prompt = _text_of(request.prompt)
        _check_length(len(prompt), request.stopping.max_tokens)
        self._num_running += 1
        try:
            for index in range(request.num_choices):
                async for delta in self._choice(request, prompt, index):
                    yield delta
        finally:
            self._num_running -= 1

    async def _choice(
        self, request: GenerationRequest, prompt: str, index: int
    ) -> AsyncGenerator[Delta, None]:
        started = perf_counter()
        answer, stopped = _cut(prompt, request)
        for position, character in enumerate(answer):
            await asyncio.sleep(self._delay)
            yield Delta(
                index=index,
                text=character,
                tokens=(_token(character),),
                trace=(_forward(position, character),) if request.trace else (),
            )
        total = 1000 * (perf_counter() - started)
        usage = Usage(
            prompt_tokens=len(prompt),
            cached_tokens=0,
            completion_tokens=len(answer),
            reasoning_tokens=0,
            forwards=max(0, len(answer) - 1),
            queue_milliseconds=0.0,
            first_token_milliseconds=total / max(1, len(answer)),
            total_milliseconds=total,
        )
        yield Delta(index=index, finish="stop" if stopped else "length", usage=usage)

    async def tokenize(self, model: str, prompt: Prompt) -> tuple[int, ...]:
        _check_model(model)
        return tuple(ord(character) for character in _text_of(prompt))

    async def detokenize(self, model: str, token_ids: tuple[int, ...]) -> str:
        _check_model(model)
        return _decode(token_ids)

    def variants(self) -> tuple[Variant, ...]:
        return (ECHO,)

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


def _check_model(model: str) -> None:
    if model != ECHO.model:
        raise UnknownVariant(f"the echo engine does not serve {model}")


def _check_length(num_prompt: int, max_tokens: int) -> None:
    if num_prompt + max_tokens > _CONTEXT:
        needed = num_prompt + max_tokens
        message = f"prompt and answer need {needed} tokens, the context holds {_CONTEXT}"
        raise ContextTooLong("messages", message, num_tokens=needed, limit=_CONTEXT)


def _text_of(prompt: Prompt) -> str:
    match prompt:
        case Conversation(messages=messages):
            return messages[-1].content
        case Text(text=text):
            return text
        case TokenIds(token_ids=token_ids):
            return _decode(token_ids)


def _decode(token_ids: tuple[int, ...]) -> str:
    try:
        return "".join(chr(token_id) for token_id in token_ids)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest("tokens", f"a token id is outside the vocabulary: {error}") from error


def _cut(prompt: str, request: GenerationRequest) -> tuple[str, bool]:
    """The answer, and whether it ended by itself rather than by its length."""
    ends = [prompt.find(string) for string in request.stopping.strings if string in prompt]
    answer = prompt[: min(ends)] if ends else prompt
    limit = request.stopping.max_tokens
    return answer[:limit], len(answer) <= limit


def _token(character: str) -> Token:
    return Token(id=ord(character), bytes=character.encode(), logprob=0.0, top=())


def _forward(position: int, character: str) -> Forward:
    token = TracedToken(position=position, id=ord(character), state="accepted")
    return Forward(kind="decode" if position else "prefill", milliseconds=0.0, tokens=(token,))
