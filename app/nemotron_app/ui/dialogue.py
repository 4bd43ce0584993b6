"""What happens when a visitor asks, stops, asks again, edits, deletes or starts over?"""

from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager

import gradio as gr
from openai.types.chat import ChatCompletionChunk

from nemotron_app.ui import strings
from nemotron_app.ui.api import Api
from nemotron_app.ui.capabilities import Model, find
from nemotron_app.ui.changes import Changes, Values, nothing
from nemotron_app.ui.controls import read
from nemotron_app.ui.conversation import Conversation, draw, turn_at
from nemotron_app.ui.exchange import Exchange, converse
from nemotron_app.ui.feed import Feed
from nemotron_app.ui.notice import obstacle
from nemotron_app.ui.redraw import Redraw
from nemotron_app.ui.run import Run
from nemotron_app.ui.visitor import connection_of, session_of
from nemotron_app.ui.widgets import Widgets

Updates = AsyncGenerator[Changes, None]


class Dialogue:
    """Handlers of the chat. A browser tab has one answer running at most."""

    def __init__(self, api: Api, widgets: Widgets, redraw: Redraw) -> None:
        self._api = api
        self._widgets = widgets
        self._redraw = redraw
        self._feeds: dict[str, Feed[ChatCompletionChunk]] = {}

    async def send(self, values: Values, request: gr.Request) -> Updates:
        """Ask what stands in the message box."""
        question = values[self._widgets.chat.question] or ""
        if not question.strip():
            yield nothing()
            return
        async for changes in self._answer(values, request, self._said(values).ask(question)):
            yield changes

    async def send_example(self, values: Values, event: gr.SelectData, request: gr.Request) -> Updates:
        """Ask one of the example questions."""
        async for changes in self._answer(values, request, self._said(values).ask(event.value["text"])):
            yield changes

    async def regenerate(self, values: Values, event: gr.RetryData, request: gr.Request) -> Updates:
        """Ask the question of a turn once more."""
        said = self._said(values)
        again = said.again_from(turn_at(said, _index(event)))
        async for changes in self._answer(values, request, again):
            yield changes

    async def ask_again(self, values: Values, request: gr.Request) -> Updates:
        """Ask the last question once more, which may have no answer yet."""
        said = self._said(values)
        again = said.again_from(len(said.turns) - 1) if said.turns else said
        async for changes in self._answer(values, request, again):
            yield changes

    async def edit(self, values: Values, event: gr.EditData, request: gr.Request) -> Updates:
        """An edited question is asked instead; an edited answer stands as if it had been given."""
        said, index = self._said(values), _index(event)
        turn = turn_at(said, index)
        if draw(said)[index]["role"] == "assistant":
            yield self._redraw.settled(said.amended(turn, event.value))
            return
        async for changes in self._answer(values, request, said.again_from(turn, event.value)):
            yield changes

    def delete(self, values: Values, event: gr.EventData, request: gr.Request) -> Changes:
        """Take a turn out, question and answer."""
        said, turn = self._said(values), int(event.turn)
        if session_of(request) in self._feeds or not 0 <= turn < len(said.turns):
            return nothing()
        return self._redraw.settled(said.without(turn))

    def stop(self, values: Values, request: gr.Request) -> Changes:
        """End the running answer; what has come stays."""
        feed = self._feeds.get(session_of(request))
        if feed is not None:
            feed.stop()
        return nothing()

    def start_over(self, values: Values, request: gr.Request) -> Changes:
        """A new, empty conversation."""
        return nothing() if session_of(request) in self._feeds else self._redraw.emptied()

    def show_code(self, values: Values) -> Changes:
        """Before there is a run, the code of what Send would ask."""
        model = self._model(values)
        if values[self._widgets.memory.run] is not None or model is None:
            return nothing()
        question = values[self._widgets.chat.question] or strings.EXAMPLES[0]
        run = self._run(values, model, Conversation().ask(question))
        return self._redraw.code(run, values[self._widgets.export.origin], strings.CODE_NEXT)

    async def _answer(self, values: Values, request: gr.Request, conversation: Conversation) -> Updates:
        model, session = self._model(values), session_of(request)
        readiness = values[self._widgets.memory.readiness]
        is_idle = session not in self._feeds and bool(conversation.turns)
        if model is None or obstacle(readiness, model) or not is_idle:
            # The chat widget may have changed by itself already; show what is true.
            yield self._redraw.settled(self._said(values))
            return
        latest = start = Exchange(conversation=conversation, run=self._run(values, model, conversation))
        yield self._redraw.begun(start, values[self._widgets.export.origin])
        with self._feed(request, start.run) as feed:
            async with aclosing(converse(feed, start)) as exchanges:
                async for latest in exchanges:
                    yield self._redraw.grown(latest)
        yield self._redraw.ended(latest)

    @contextmanager
    def _feed(self, request: gr.Request, run: Run) -> Generator[Feed[ChatCompletionChunk], None, None]:
        session = session_of(request)
        self._feeds[session] = Feed(self._api.answer(run.body, connection_of(request)))
        try:
            yield self._feeds[session]
        finally:
            del self._feeds[session]

    def _run(self, values: Values, model: Model, conversation: Conversation) -> Run:
        is_watched = bool(values[self._widgets.chat.is_watched])
        recipe = read(self._widgets.controls, values, model, is_watched=is_watched)
        return Run(body=recipe.body(conversation.messages(values[self._widgets.controls.system] or "")))

    def _said(self, values: Values) -> Conversation:
        said: Conversation = values[self._widgets.memory.conversation]
        return said

    def _model(self, values: Values) -> Model | None:
        return find(values[self._widgets.memory.models], values[self._widgets.controls.model])


def _index(event: gr.EventData) -> int:
    index: int = event.index
    return index
