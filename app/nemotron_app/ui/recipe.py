"""What exactly does a run ask the API for?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Messages = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Every knob of a run; `thinking` is None for a model that has no such switch."""

    model: str
    size: str
    precision: str
    decode: str
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    max_tokens: int
    seed: int
    stop: tuple[str, ...]
    thinking: bool | None = None

    def body(self, messages: Messages) -> dict[str, Any]:
        """The body of `POST /v1/chat/completions` that does this run."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [dict(message) for message in messages],
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "presence_penalty": self.presence_penalty,
            "frequency_penalty": self.frequency_penalty,
        }
        if self.stop:
            body["stop"] = list(self.stop)
        return body | self._beyond_openai()

    def _beyond_openai(self) -> dict[str, Any]:
        extra: dict[str, Any] = {
            "top_k": self.top_k,
            "min_p": self.min_p,
            "repetition_penalty": self.repetition_penalty,
        }
        if self.thinking is not None:
            extra["chat_template_kwargs"] = {"enable_thinking": self.thinking}
        extra["nvext"] = {"size": self.size, "precision": self.precision, "decode": self.decode}
        return extra


EXTRA_FIELDS = frozenset({"top_k", "min_p", "repetition_penalty", "chat_template_kwargs", "nvext"})
