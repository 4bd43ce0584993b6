"""What does another server answer? Only what is read here has a type; the rest is passed over."""

from typing import Any

import msgspec

from nemotron_backend.request import Token, TokenChoice


class TopLogprob(msgspec.Struct):
    """A token that could have stood here."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list["TopLogprob"] = []


class Logprobs(msgspec.Struct):
    """As chat (`content`) or plain completions (the others) spell them."""

    content: list[TopLogprob] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None


class Function(msgspec.Struct):
    """A function's name, and its arguments as far as they are new."""

    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct):
    """News of a call."""

    index: int = 0
    id: str | None = None
    function: Function | None = None


class Said(msgspec.Struct):
    """News of a message, or all of it; thoughts have either name."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Call] | None = None


class Choice(msgspec.Struct):
    """News of an answer, or all of it."""

    delta: Said | None = None
    message: Said | None = None
    text: str | None = None
    logprobs: Logprobs | None = None
    finish_reason: str | None = None


class PromptDetails(msgspec.Struct):
    """Parts of the prompt."""

    cached_tokens: int | None = None


class CompletionDetails(msgspec.Struct):
    """Parts of the answer."""

    reasoning_tokens: int | None = None


class Counts(msgspec.Struct):
    """The cost, so far or in the end."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None


class Chunk(msgspec.Struct):
    """One event of a stream, or an answer in one piece; `error` in place of either."""

    choices: list[Choice] = []
    usage: Counts | None = None
    error: Any = None


def tokens_of(logprobs: Logprobs | None) -> tuple[Token, ...]:
    """The tokens that log-probabilities tell of. Their ids are not among it."""
    if logprobs is None:
        return ()
    if logprobs.content is not None:
        return tuple(_token(entry) for entry in logprobs.content)
    texts, values = logprobs.tokens or [], logprobs.token_logprobs or []
    tops = logprobs.top_logprobs or [None] * len(texts)
    return tuple(
        Token(id=-1, bytes=text.encode(), logprob=value or 0.0, top=_ranked(top or {}))
        for text, value, top in zip(texts, values, tops, strict=False)
    )


def _token(entry: TopLogprob) -> Token:
    top = tuple(TokenChoice(id=-1, bytes=_bytes(one), logprob=one.logprob) for one in entry.top_logprobs)
    return Token(id=-1, bytes=_bytes(entry), logprob=entry.logprob, top=top)


def _bytes(entry: TopLogprob) -> bytes:
    return entry.token.encode() if entry.bytes is None else bytes(entry.bytes)


def _ranked(top: dict[str, float]) -> tuple[TokenChoice, ...]:
    ranked = sorted(top.items(), key=lambda item: -item[1])
    return tuple(TokenChoice(id=-1, bytes=text.encode(), logprob=value) for text, value in ranked)
