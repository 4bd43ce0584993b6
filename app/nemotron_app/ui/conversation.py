"""What has been said so far, and how does a chat widget draw it?"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from nemotron_app.ui import strings
from nemotron_app.ui.tool_call import ToolCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A question and what was answered; `is_stopped` when a person cut the answer short.

    `thought` says how long the reasoning took, once that is known.
    """

    question: str
    answer: str = ""
    reasoning: str = ""
    thought: str = ""
    calls: tuple[ToolCall, ...] = ()
    is_stopped: bool = False

    @property
    def is_answered(self) -> bool:
        return bool(self.answer or self.calls)

    def messages(self) -> Iterator[dict[str, Any]]:
        yield {"role": "user", "content": self.question}
        if self.is_answered:
            called = {"tool_calls": [call.as_message() for call in self.calls]} if self.calls else {}
            yield {"role": "assistant", "content": self.answer, **called}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Turns in order; every change gives a new conversation."""

    turns: tuple[Turn, ...] = ()

    def messages(self, system: str) -> list[dict[str, Any]]:
        """The conversation as the API takes it."""
        head: list[dict[str, Any]] = [{"role": "system", "content": system}] if system.strip() else []
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


def answers(conversation: Conversation) -> list[str]:
    """What each turn's Copy gives: the answer alone."""
    return [turn.answer for turn in conversation.turns]


def turn_at(conversation: Conversation, index: int) -> int:
    """Which turn the drawn message number `index` belongs to."""
    owners = [number for number, turn in enumerate(conversation.turns) for _ in _draw_turn(turn)]
    return owners[index]


def _draw_turn(turn: Turn) -> Iterator[dict[str, Any]]:
    yield _message("user", turn.question)
    if turn.reasoning:
        yield _message("assistant", turn.reasoning) | {"metadata": _thinking(turn)}
    if turn.answer:
        yield _message("assistant", turn.answer)
    for call in turn.calls:
        title = strings.CALLS.format(name=call.name)
        yield _message("assistant", call.as_table()) | {"metadata": {"title": title}}
    if turn.is_stopped and not (turn.is_answered or turn.reasoning):
        yield _message("assistant", strings.STOPPED_EARLY)


def _thinking(turn: Turn) -> dict[str, str]:
    """Open while it grows; done, and so folded, when the answer begins."""
    if not (turn.is_answered or turn.is_stopped or turn.thought):
        return {"title": strings.THINKING_TITLE, "status": "pending"}
    return {"title": turn.thought or strings.THOUGHT_TITLE, "status": "done"}


def _message(role: str, text: str) -> dict[str, Any]:
    # A list of parts is shown as it stands; a bare string would lose its indentation.
    return {"role": role, "content": [{"type": "text", "text": text}]}
