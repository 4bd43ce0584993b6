"""What has come back of a run so far?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from openai.types.chat import ChatCompletionChunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The parts of an answer, grown chunk by chunk; `variant` is the one that really ran."""

    id: str = ""
    variant: str = ""
    text: str = ""
    reasoning: str = ""
    finish: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    nvext: Mapping[str, Any] = field(default_factory=dict)

    @property
    def metrics(self) -> Mapping[str, Any]:
        """How the answer was made, as the engine measured it; empty until it has ended."""
        metrics: Mapping[str, Any] = self.nvext.get("metrics") or {}
        return metrics

    def and_then(self, chunks: Iterable[ChatCompletionChunk]) -> "Answer":
        answer = self
        for chunk in chunks:
            answer = answer._grown(chunk)
        return answer

    def _grown(self, chunk: ChatCompletionChunk) -> "Answer":
        delta = chunk.choices[0].delta if chunk.choices else None
        extension = (chunk.model_extra or {}).get("nvext") or {}
        return replace(
            self,
            id=chunk.id or self.id,
            variant=chunk.model or self.variant,
            text=self.text + ((delta.content or "") if delta else ""),
            reasoning=self.reasoning + (_reasoning(delta.model_extra) if delta else ""),
            finish=(chunk.choices[0].finish_reason if chunk.choices else None) or self.finish,
            usage=chunk.usage.model_dump(exclude_none=True) if chunk.usage else self.usage,
            nvext={**self.nvext, **extension},
        )

    def as_response(self) -> dict[str, Any]:
        """The answer as the API gives it to a caller who does not stream."""
        message = {"role": "assistant", "content": self.text}
        if self.reasoning:
            message["reasoning_content"] = self.reasoning
        return {
            "id": self.id,
            "object": "chat.completion",
            "model": self.variant,
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish}],
            "usage": dict(self.usage),
            "nvext": dict(self.nvext),
        }


def _reasoning(extra: Mapping[str, Any] | None) -> str:
    named = extra or {}
    return str(named.get("reasoning_content") or named.get("reasoning") or "")
