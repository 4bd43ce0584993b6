"""What was asked of the API last, and what came of it?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from openai.types.chat import ChatCompletionChunk

from nemotron_app.ui.answer import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A request's body with the answer to it so far."""

    body: Mapping[str, Any]
    answer: Answer = field(default_factory=Answer)

    def and_then(self, chunks: Iterable[ChatCompletionChunk]) -> "Run":
        return replace(self, answer=self.answer.and_then(chunks))

    def stopped(self) -> "Run":
        return replace(self, answer=replace(self.answer, finish="stopped"))

    @property
    def seed(self) -> int:
        return int(self.body["seed"])
