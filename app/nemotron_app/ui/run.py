"""What was asked of the API last, and what came of it?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from openai.types.chat import ChatCompletionChunk

from nemotron_app.ui.answer import Answer
from nemotron_app.ui.watch import is_to_be_shown, seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A request's body with the answer to it so far; `chunks` are kept where somebody looks at them."""

    body: Mapping[str, Any]
    answer: Answer = field(default_factory=Answer)
    chunks: tuple[Mapping[str, Any], ...] = ()

    @property
    def is_watched(self) -> bool:
        return is_to_be_shown(self.body)

    def and_then(self, chunks: Sequence[ChatCompletionChunk]) -> "Run":
        kept = tuple(seen(chunk) for chunk in chunks) if self.is_watched else ()
        return replace(self, answer=self.answer.and_then(chunks), chunks=(*self.chunks, *kept))

    def stopped(self) -> "Run":
        return replace(self, answer=replace(self.answer, finish="stopped"))

    @property
    def seed(self) -> int:
        return int(self.body["seed"])
