"""How do the news of an answer become items, one after the other?"""

from collections.abc import Iterator, Sequence

from nemotron_app.wire.answer import ChatChunkChoice, TokenLogprob, ToolCallDelta
from nemotron_app.wire.responses.answer import Item, ItemStatus
from nemotron_app.wire.responses.items import Call, Event, Part, Speech, Thought


class Output:
    """The items so far. Each method gives the events that tell of what it does."""

    def __init__(self) -> None:
        self._closed: list[Item] = []
        self._open: Part | None = None
        self._logprobs: list[TokenLogprob] = []
        self._calls: dict[int, Call] = {}
        self.is_cut = False
        self.is_finished = False

    def add(self, choice: ChatChunkChoice) -> Iterator[Event]:
        """Take what is new in an answer, as chat has it."""
        news, logprobs = choice["delta"], choice["logprobs"]
        if logprobs and "reasoning_content" not in news:
            self._logprobs += logprobs["content"]
        if thought := news.get("reasoning_content"):
            yield from self._think(thought)
        if text := news.get("content"):
            yield from self._say(text)
        for call in news.get("tool_calls", ()):
            yield from self._call(call)
        if choice["finish_reason"]:
            yield from self._finish(is_cut=choice["finish_reason"] == "length")

    def items(self) -> Sequence[Item]:
        """All of them, the one under way included."""
        return [*self._closed, *([self._open.shown("in_progress")] if self._open else [])]

    def _think(self, text: str) -> Iterator[Event]:
        part = self._open
        if not isinstance(part, Thought):
            part = Thought(self._next_place())
            yield from self._begin(part)
        yield from part.grow(text)

    def _say(self, text: str) -> Iterator[Event]:
        part = self._open
        if not isinstance(part, Speech):
            part = Speech(self._next_place())
            yield from self._begin(part)
        logprobs, self._logprobs = self._logprobs, []
        yield from part.grow(text, logprobs)

    def _call(self, news: ToolCallDelta) -> Iterator[Event]:
        if "id" in news:
            call = Call(self._next_place(), news["id"], news["function"].get("name", ""))
            self._calls[news["index"]] = call
            yield from self._begin(call)
        if arguments := news["function"]["arguments"]:
            yield from self._calls[news["index"]].grow(arguments)

    def _finish(self, *, is_cut: bool) -> Iterator[Event]:
        """An answer without anything in it is an empty message."""
        if self._open is None and not self._closed:
            yield from self._begin(Speech(0))
        yield from self._end("incomplete" if is_cut else "completed")
        self.is_cut, self.is_finished = is_cut, True

    def _next_place(self) -> int:
        return len(self._closed) + (self._open is not None)

    def _begin(self, part: Part) -> Iterator[Event]:
        yield from self._end("completed")
        self._open = part
        yield from part.opening()

    def _end(self, status: ItemStatus) -> Iterator[Event]:
        part, self._open = self._open, None
        if part is not None:
            self._closed.append(part.shown(status))
            yield from part.closing(status)
