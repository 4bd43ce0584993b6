"""What has been said so far, and how does a chat widget draw it?"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from nemotron_app.ui import strings


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A question and what was answered; `is_stopped` when a person cut the answer short."""

    question: str
    answer: str = ""
    reasoning: str = ""
    is_stopped: bool = False

    def messages(self) -> Iterator[dict[str, str]]:
        yield {"role": "user", "content": self.question}
        if self.answer:
            yield {"role": "assistant", "content": self.answer}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Turns in order; every change gives a new conversation."""

    turns: tuple[Turn, ...] = ()

    def messages(self, system: str) -> list[dict[str, str]]:
        """The conversation as the API takes it."""
        head = [{"role": "system", "content": system}] if system.strip() else []
        return head + [message for turn in self.turns for message in turn.messages()]

    def ask(self, question: str) -> "Conversation":
        return Conversation(turns=(*self.turns, Turn(question=question)))

    def with_last(self, **changes: Any) -> "Conversation":
        return Conversation(turns=(*self.turns[:-1], replace(self.turns[-1], **changes)))

    def again_from(self, index: int, question: str | None = None) -> "Conversation":
        """The turns before `index`, and its question once more, or another one in its place."""
        turn = Turn(question=self.turns[index].question if question is None else question)
        return Conversation(turns=(*self.turns[:index], turn))

    def without(self, index: int) -> "Conversation":
        return Conversation(turns=self.turns[:index] + self.turns[index + 1 :])

    def amended(self, index: int, answer: str) -> "Conversation":
        turn = replace(self.turns[index], answer=answer)
        return Conversation(turns=(*self.turns[:index], turn, *self.turns[index + 1 :]))


def draw(conversation: Conversation) -> list[dict[str, Any]]:
    """The messages of a chat widget, thoughts in a fold of their own."""
    return [message for turn in conversation.turns for message in _draw_turn(turn)]


def turn_at(conversation: Conversation, index: int) -> int:
    """Which turn the drawn message number `index` belongs to."""
    owners = [number for number, turn in enumerate(conversation.turns) for _ in _draw_turn(turn)]
    return owners[index]


def _draw_turn(turn: Turn) -> Iterator[dict[str, Any]]:
    yield _message("user", turn.question)
    if turn.reasoning:
        status = "done" if turn.answer or turn.is_stopped else "pending"
        yield _message("assistant", turn.reasoning) | {
            "metadata": {"title": strings.THINKING_TITLE, "status": status}
        }
    if turn.answer:
        yield _message("assistant", turn.answer)
    elif turn.is_stopped and not turn.reasoning:
        yield _message("assistant", strings.STOPPED_EARLY)


def _message(role: str, text: str) -> dict[str, Any]:
    # A list of parts is shown as it stands; a bare string would lose its indentation.
    return {"role": role, "content": [{"type": "text", "text": text}]}
