"""How do the events of another server become deltas?"""

import time
from collections.abc import Callable

from nemotron_backend.engine import EngineFailed
from nemotron_backend.request import CallPiece, Delta, FinishReason, Token, Usage
from nemotron_backend.upstream.chunk import Call, Chunk, Counts, Said, tokens_of

_UNCOUNTED = "The server that answered did not tell what it cost, so tokens are counted by its messages."
_FILTERED = "The server that answered broke this off as unfit."


class Answer:
    """One choice as far as it has come. Its last delta waits for the usage, which comes behind the text."""

    def __init__(self, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._started = clock()
        self._first: float | None = None
        self._finish: str | None = None
        self._counts: Counts | None = None
        self._num_tokens = 0

    def take(self, chunk: Chunk) -> Delta | None:
        """What a chunk adds; None where it says nothing."""
        self._counts = chunk.usage or self._counts
        if not chunk.choices:
            return None
        choice = chunk.choices[0]
        self._finish = choice.finish_reason or self._finish
        said = choice.delta or choice.message or Said(content=choice.text)
        calls = tuple(_piece(call, place) for place, call in enumerate(said.tool_calls or ()))
        reasoning, text = said.reasoning_content or said.reasoning or "", said.content or ""
        tokens = tokens_of(choice.logprobs)
        if not (calls or reasoning or text or tokens):
            return None
        self._first = self._clock() if self._first is None else self._first
        untold = self._count(tokens, chunk.usage)
        return Delta(index=0, text=text, reasoning=reasoning, tokens=tokens, calls=calls, num_untold=untold)

    def end(self) -> Delta:
        """The last delta. Raises EngineFailed where the answer was broken off."""
        if self._finish is None:
            raise EngineFailed("the server that answers for this model broke off before the answer's end")
        notices = [_UNCOUNTED] if self._counts is None else []
        notices += [_FILTERED] if self._finish == "content_filter" else []
        finish: FinishReason = "length" if self._finish == "length" else "stop"
        return Delta(index=0, finish=finish, usage=self._usage(), notice=" ".join(notices))

    def _count(self, tokens: tuple[Token, ...], counts: Counts | None) -> int:
        """How many tokens are new and not told: by the count so far, or else one a message."""
        before = self._num_tokens
        if counts is not None:
            self._num_tokens = max(before, counts.completion_tokens)
        else:
            self._num_tokens += len(tokens) or 1
        return max(0, self._num_tokens - before - len(tokens))

    def _usage(self) -> Usage:
        counts, now = self._counts or Counts(completion_tokens=self._num_tokens), self._clock()
        prompt, completion = counts.prompt_tokens_details, counts.completion_tokens_details
        first = now if self._first is None else self._first
        return Usage(
            prompt_tokens=counts.prompt_tokens,
            cached_tokens=(prompt and prompt.cached_tokens) or 0,
            completion_tokens=counts.completion_tokens,
            reasoning_tokens=(completion and completion.reasoning_tokens) or 0,
            forwards=0,
            queue_milliseconds=0.0,
            first_token_milliseconds=1000 * (first - self._started),
            total_milliseconds=1000 * (now - self._started),
            knows_forwards=False,
        )


def _piece(call: Call, place: int) -> CallPiece:
    """A whole answer numbers its calls by their places alone."""
    function = call.function
    return CallPiece(
        index=call.index or place,
        id=call.id or "",
        name=(function and function.name) or "",
        arguments=(function and function.arguments) or "",
    )
