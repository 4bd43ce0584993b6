"""How do chat and plain completions differ in what they answer?"""

from dataclasses import dataclass, field
from typing import Protocol

from nemotron_app.wire.answer import ChatChoice, ChatChunkChoice, ChatDelta, ChatMessageAnswer, TextChoice
from nemotron_app.wire.logprobs import chat_logprobs, text_logprobs
from nemotron_backend.request import Delta, FinishReason, Token


@dataclass(slots=True)
class Choice:
    """One answer as far as it has come."""

    index: int
    text: list[str] = field(default_factory=list[str])
    reasoning: list[str] = field(default_factory=list[str])
    tokens: list[Token] = field(default_factory=list[Token])
    finish: FinishReason = "stop"

    def add(self, delta: Delta) -> None:
        """Append a delta."""
        self.text.append(delta.text)
        self.reasoning.append(delta.reasoning)
        self.tokens.extend(delta.tokens)
        self.finish = delta.finish or self.finish


class Form(Protocol):
    """One of the two shapes. `offset` is the length of a choice's text before the delta."""

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
    """Messages."""

    id_prefix = "chatcmpl-"
    object = "chat.completion"
    chunk_object = "chat.completion.chunk"

    def opening(self, index: int) -> ChatChunkChoice:
        delta: ChatDelta = {"role": "assistant", "content": ""}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def chunk(self, delta: Delta, *, logprobs: bool, offset: int) -> ChatChunkChoice:
        news: ChatDelta = {}
        if delta.reasoning:
            news["reasoning_content"] = news["reasoning"] = delta.reasoning
        if delta.text:
            news["content"] = delta.text
        return {
            "index": delta.index,
            "delta": news,
            "logprobs": chat_logprobs(delta.tokens) if logprobs and delta.tokens else None,
            "finish_reason": delta.finish,
        }

    def whole(self, choice: Choice, *, logprobs: bool) -> ChatChoice:
        message: ChatMessageAnswer = {
            "role": "assistant",
            "content": "".join(choice.text),
            "refusal": None,
        }
        if reasoning := "".join(choice.reasoning):
            message["reasoning_content"] = message["reasoning"] = reasoning
        return {
            "index": choice.index,
            "message": message,
            "logprobs": chat_logprobs(choice.tokens) if logprobs else None,
            "finish_reason": choice.finish,
        }


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
