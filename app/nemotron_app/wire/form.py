"""How do chat and plain completions differ in what they answer?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from nemotron_app.wire.answer import (
    AnswerEnd,
    ChatChoice,
    ChatChunkChoice,
    ChatDelta,
    ChatMessageAnswer,
    TextChoice,
    ToolCallDelta,
)
from nemotron_app.wire.chat import ToolSpec
from nemotron_app.wire.logprobs import chat_logprobs, text_logprobs
from nemotron_app.wire.tool_calls import Heard, told_calls, whole_calls
from nemotron_app.wire.tool_syntax import CallReader, reader_of
from nemotron_backend.catalog import ToolSyntax
from nemotron_backend.request import CallPiece, Delta, FinishReason, Score, Token


@dataclass(slots=True)
class Choice:
    """One answer as far as it has come."""

    index: int
    text: list[str] = field(default_factory=list[str])
    reasoning: list[str] = field(default_factory=list[str])
    tokens: list[Token] = field(default_factory=list[Token])
    calls: list[CallPiece] = field(default_factory=list[CallPiece])
    scores: list[Score] = field(default_factory=list[Score])
    finish: FinishReason = "stop"

    def add(self, delta: Delta) -> None:
        """Append a delta."""
        self.text.append(delta.text)
        self.reasoning.append(delta.reasoning)
        self.tokens.extend(delta.tokens)
        self.calls.extend(delta.calls)
        self.scores.extend(delta.scores)
        self.finish = delta.finish or self.finish


class Form(Protocol):
    """The shape of answers, for one call. `offset` is the length of a choice's text before the delta."""

    id_prefix: str
    object: str
    chunk_object: str

    def opening(self, index: int) -> ChatChunkChoice | None:
        """What a stream says of a choice before its first delta."""
        ...

    def chunk(self, delta: Delta, *, logprobs: bool, offset: int) -> ChatChunkChoice | TextChoice:
        """The news of a choice."""
        ...

    def whole(self, choice: Choice, *, logprobs: bool) -> ChatChoice | TextChoice:
        """A finished choice."""
        ...


class ChatForm:
    """Messages. Where `tools` were offered, the text may call them; all calls are taken, or the first.

    `syntax` is how the model writes calls; one without it writes none.
    """

    id_prefix = "chatcmpl-"
    object = "chat.completion"
    chunk_object = "chat.completion.chunk"

    def __init__(
        self,
        tools: Sequence[ToolSpec] = (),
        syntax: Literal[""] | ToolSyntax = "",
        *,
        is_single: bool = False,
    ) -> None:
        self._tools = tools
        self._syntax = syntax
        self._is_single = is_single
        self._readers: dict[int, CallReader] = {}
        self._called: set[int] = set()

    def opening(self, index: int) -> ChatChunkChoice:
        delta: ChatDelta = {"role": "assistant", "content": ""}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def chunk(self, delta: Delta, *, logprobs: bool, offset: int) -> ChatChunkChoice:
        news: ChatDelta = {}
        if delta.reasoning:
            news["reasoning_content"] = news["reasoning"] = delta.reasoning
        heard = self._hear(delta)
        if heard.text:
            news["content"] = heard.text
        if heard.calls:
            news["tool_calls"] = heard.calls
        return {
            "index": delta.index,
            "delta": news,
            "logprobs": chat_logprobs(delta.tokens) if logprobs and delta.tokens else None,
            "finish_reason": self._end(delta.index, delta.finish) if delta.finish else None,
        }

    def whole(self, choice: Choice, *, logprobs: bool) -> ChatChoice:
        text, calls = "".join(choice.text), tuple(choice.calls)
        heard = self._hear(Delta(index=choice.index, text=text, calls=calls, finish=choice.finish))
        message: ChatMessageAnswer = {"role": "assistant", "content": heard.text, "refusal": None}
        if heard.calls:
            message["tool_calls"] = whole_calls(heard.calls)
            message["content"] = heard.text or None
        if reasoning := "".join(choice.reasoning):
            message["reasoning_content"] = message["reasoning"] = reasoning
        return {
            "index": choice.index,
            "message": message,
            "logprobs": chat_logprobs(choice.tokens) if logprobs else None,
            "finish_reason": self._end(choice.index, choice.finish),
        }

    def _hear(self, delta: Delta) -> Heard:
        if delta.calls:
            return Heard(delta.text, self._told(delta))
        if not self._tools or not self._syntax:
            return Heard(text=delta.text)
        if delta.index not in self._readers:
            self._readers[delta.index] = reader_of(self._syntax, self._tools, is_single=self._is_single)
        reader = self._readers[delta.index]
        heard = reader.push(delta.text)
        return heard + reader.finish(is_whole=delta.finish == "stop") if delta.finish else heard

    def _told(self, delta: Delta) -> list[ToolCallDelta]:
        """The calls that an engine tells, as far as they are taken."""
        self._called.add(delta.index)
        return told_calls(piece for piece in delta.calls if not (self._is_single and piece.index))

    def _end(self, index: int, finish: FinishReason) -> AnswerEnd:
        reader = self._readers.get(index)
        has_called = index in self._called or (reader is not None and reader.num_calls > 0)
        return "tool_calls" if has_called and finish == "stop" else finish


class TextForm:
    """Plain text, thoughts included as the model wrote them."""

    id_prefix = "cmpl-"
    object = "text_completion"
    chunk_object = "text_completion"

    def opening(self, index: int) -> None:
        return None

    def chunk(self, delta: Delta, *, logprobs: bool, offset: int) -> TextChoice:
        return {
            "index": delta.index,
            "text": delta.reasoning + delta.text,
            "logprobs": text_logprobs(delta.tokens, offset) if logprobs and delta.tokens else None,
            "finish_reason": delta.finish,
        }

    def whole(self, choice: Choice, *, logprobs: bool) -> TextChoice:
        return {
            "index": choice.index,
            "text": "".join(choice.reasoning) + "".join(choice.text),
            "logprobs": text_logprobs(choice.tokens, 0) if logprobs else None,
            "finish_reason": choice.finish,
        }
