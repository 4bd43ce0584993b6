"""What has come back of a run so far?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import ChoiceDelta

from nemotron_app.ui.tool_call import ToolCall, grown

# What a chunk tells of one moment alone.
_PASSING = frozenset({"canvas", "size", "trace"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The parts of an answer, grown chunk by chunk; `variant` is the one that really ran.

    `metrics` tells how the answer was made, as the engine measured it, and `speculation` how its drafts
    did; both are empty until it has ended.
    """

    id: str = ""
    variant: str = ""
    text: str = ""
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    finish: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    nvext: Mapping[str, Any] = field(default_factory=dict)
    trace: tuple[Any, ...] = ()
    further: Mapping[str, Any] = field(default_factory=dict)

    @property
    def metrics(self) -> Mapping[str, Any]:
        metrics: Mapping[str, Any] = self.nvext.get("metrics") or {}
        return metrics

    @property
    def speculation(self) -> Mapping[str, Any]:
        drafts: Mapping[str, Any] = self.further.get("speculative_decoding") or {}
        return drafts

    def and_then(self, chunks: Iterable[ChatCompletionChunk]) -> "Answer":
        answer = self
        for chunk in chunks:
            answer = answer._grown(chunk)
        return answer

    def _grown(self, chunk: ChatCompletionChunk) -> "Answer":
        more = chunk.model_extra or {}
        extension = more.get("nvext") or {}
        answer = replace(
            self,
            id=chunk.id or self.id,
            variant=chunk.model or self.variant,
            usage=chunk.usage.model_dump(exclude_none=True) if chunk.usage else self.usage,
            nvext={**self.nvext, **{name: extension[name] for name in extension.keys() - _PASSING}},
            trace=(*self.trace, *(extension.get("trace") or ())),
            further=more.get("metrics") or self.further,
        )
        for choice in chunk.choices:
            answer = replace(answer._with(choice.delta), finish=choice.finish_reason or answer.finish)
        return answer

    def _with(self, delta: ChoiceDelta) -> "Answer":
        return replace(
            self,
            text=self.text + (delta.content or ""),
            reasoning=self.reasoning + _reasoning(delta.model_extra),
            calls=grown(self.calls, delta.tool_calls or ()),
        )

    def as_response(self) -> dict[str, Any]:
        """The answer as the API gives it to a caller who does not stream."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.reasoning:
            message["reasoning_content"] = self.reasoning
        if self.calls:
            message["tool_calls"] = [call.as_message() for call in self.calls]
        response = {
            "id": self.id,
            "object": "chat.completion",
            "model": self.variant,
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish}],
            "usage": dict(self.usage),
            "nvext": dict(self.nvext) | ({"trace": list(self.trace)} if self.trace else {}),
        }
        return response | ({"metrics": dict(self.further)} if self.further else {})


def _reasoning(extra: Mapping[str, Any] | None) -> str:
    named = extra or {}
    return str(named.get("reasoning_content") or named.get("reasoning") or "")
