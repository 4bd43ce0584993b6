"""Which items does a response consist of, and which events tell of each?

Every item tells that it begins, what is new in it, and what has become of it, in OpenAI's order.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from nemotron_app.wire.answer import TokenLogprob
from nemotron_app.wire.responses.answer import (
    CallItem,
    Item,
    ItemStatus,
    MessageItem,
    OutputText,
    ReasoningItem,
    ReasoningText,
)

Event = dict[str, Any]


class Part(Protocol):
    """An item while it is made, at its place in the output."""

    def opening(self) -> Iterator[Event]:
        """That it begins."""
        ...

    def closing(self, status: ItemStatus) -> Iterator[Event]:
        """That it ends."""
        ...

    def shown(self, status: ItemStatus) -> Item:
        """All of it so far."""
        ...


def _id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


@dataclass(slots=True)
class Thought:
    """What the model thinks."""

    place: int
    id: str = field(default_factory=lambda: _id("rs"))
    text: list[str] = field(default_factory=list[str])

    def opening(self) -> Iterator[Event]:
        empty = self.shown("in_progress")
        yield _added(self.place, {**empty, "content": []})
        yield self._event("content_part.added", part=_reasoning_text(""))

    def grow(self, text: str) -> Iterator[Event]:
        """More of it."""
        self.text.append(text)
        yield self._event("reasoning_text.delta", delta=text)

    def closing(self, status: ItemStatus) -> Iterator[Event]:
        text = "".join(self.text)
        yield self._event("reasoning_text.done", text=text)
        yield self._event("content_part.done", part=_reasoning_text(text))
        yield _done(self.place, self.shown(status))

    def shown(self, status: ItemStatus) -> ReasoningItem:
        content = [_reasoning_text("".join(self.text))]
        return {
            "id": self.id,
            "type": "reasoning",
            "summary": [],
            "content": content,
            "encrypted_content": None,
            "status": status,
        }

    def _event(self, kind: str, **fields: object) -> Event:
        return _in_part(kind, self.id, self.place, **fields)


@dataclass(slots=True)
class Speech:
    """What the model says."""

    place: int
    id: str = field(default_factory=lambda: _id("msg"))
    text: list[str] = field(default_factory=list[str])
    logprobs: list[TokenLogprob] = field(default_factory=list[TokenLogprob])

    def opening(self) -> Iterator[Event]:
        empty = self.shown("in_progress")
        yield _added(self.place, {**empty, "content": []})
        yield self._event("content_part.added", part=_output_text("", []))

    def grow(self, text: str, logprobs: Sequence[TokenLogprob]) -> Iterator[Event]:
        """More of it."""
        self.text.append(text)
        self.logprobs.extend(logprobs)
        yield self._event("output_text.delta", delta=text, logprobs=list(logprobs))

    def closing(self, status: ItemStatus) -> Iterator[Event]:
        text = "".join(self.text)
        yield self._event("output_text.done", text=text, logprobs=self.logprobs)
        yield self._event("content_part.done", part=_output_text(text, self.logprobs))
        yield _done(self.place, self.shown(status))

    def shown(self, status: ItemStatus) -> MessageItem:
        content = [_output_text("".join(self.text), self.logprobs)]
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "content": content,
            "status": status,
        }

    def _event(self, kind: str, **fields: object) -> Event:
        return _in_part(kind, self.id, self.place, **fields)


@dataclass(slots=True)
class Call:
    """A call that the model makes."""

    place: int
    call_id: str
    name: str
    id: str = field(default_factory=lambda: _id("fc"))
    arguments: list[str] = field(default_factory=list[str])

    def opening(self) -> Iterator[Event]:
        yield _added(self.place, self.shown("in_progress"))

    def grow(self, arguments: str) -> Iterator[Event]:
        """More of its arguments."""
        self.arguments.append(arguments)
        yield self._event("delta", delta=arguments)

    def closing(self, status: ItemStatus) -> Iterator[Event]:
        yield self._event("done", arguments="".join(self.arguments), name=self.name)
        yield _done(self.place, self.shown(status))

    def shown(self, status: ItemStatus) -> CallItem:
        return {
            "id": self.id,
            "type": "function_call",
            "call_id": self.call_id,
            "name": self.name,
            "arguments": "".join(self.arguments),
            "status": status,
        }

    def _event(self, kind: str, **fields: object) -> Event:
        own = {"item_id": self.id, "output_index": self.place}
        return {"type": f"response.function_call_arguments.{kind}", **own, **fields}


def _reasoning_text(text: str) -> ReasoningText:
    return {"type": "reasoning_text", "text": text}


def _output_text(text: str, logprobs: list[TokenLogprob]) -> OutputText:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}


def _in_part(kind: str, item_id: str, place: int, **fields: object) -> Event:
    """Of the only part that an item has."""
    own = {"item_id": item_id, "output_index": place, "content_index": 0}
    return {"type": f"response.{kind}", **own, **fields}


def _added(place: int, item: object) -> Event:
    return {"type": "response.output_item.added", "output_index": place, "item": item}


def _done(place: int, item: object) -> Event:
    return {"type": "response.output_item.done", "output_index": place, "item": item}
