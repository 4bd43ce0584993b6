"""What happens when a visitor asks, stops, asks again, edits, deletes or starts over?"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.components import Component
from openai import APIError
from openai.types.chat import ChatCompletionChunk

from nemotron_app.ui import strings
from nemotron_app.ui.api import Api
from nemotron_app.ui.code import listings, response_listing
from nemotron_app.ui.controls import Values, read
from nemotron_app.ui.conversation import Conversation, draw, turn_at
from nemotron_app.ui.evidence import facts_of, running, strip
from nemotron_app.ui.feed import Feed
from nemotron_app.ui.markup import element
from nemotron_app.ui.notice import alert, obstacle
from nemotron_app.ui.panel import find
from nemotron_app.ui.run import Run
from nemotron_app.ui.trouble import trouble_of
from nemotron_app.ui.widgets import Widgets

Changes = dict[Component, Any]
Updates = AsyncGenerator[Changes, None]


class Dialogue:
    """Handlers of the chat. A browser tab has one answer running at most."""

    def __init__(self, api: Api, widgets: Widgets, *, key: str) -> None:
        self._api = api
        self._widgets = widgets
        self._key = key
        self._running: dict[str, Feed[ChatCompletionChunk]] = {}

    async def send(self, values: Values, request: gr.Request) -> Updates:
        """Ask what stands in the message box."""
        question = values[self._widgets.chat.question] or ""
        if question.strip():
            conversation: Conversation = values[self._widgets.memory.conversation]
            async for changes in self._answer(values, request, conversation.ask(question)):
                yield changes

    async def send_example(self, values: Values, event: gr.SelectData, request: gr.Request) -> Updates:
        """Ask one of the example questions."""
        conversation: Conversation = values[self._widgets.memory.conversation]
        async for changes in self._answer(values, request, conversation.ask(event.value["text"])):
            yield changes

    async def regenerate(self, values: Values, event: gr.RetryData, request: gr.Request) -> Updates:
        """Ask the question of a turn once more."""
        conversation: Conversation = values[self._widgets.memory.conversation]
        again = conversation.again_from(turn_at(conversation, _index(event)))
        async for changes in self._answer(values, request, again):
            yield changes

    async def edit(self, values: Values, event: gr.EditData, request: gr.Request) -> Updates:
        """An edited question is asked instead; an edited answer stands as if it had been given."""
        conversation: Conversation = values[self._widgets.memory.conversation]
        index = _index(event)
        turn = turn_at(conversation, index)
        if draw(conversation)[index]["role"] == "assistant":
            yield self._settled(conversation.amended(turn, event.value))
            return
        async for changes in self._answer(values, request, conversation.again_from(turn, event.value)):
            yield changes

    def delete(self, values: Values, event: gr.EventData, request: gr.Request) -> Changes:
        """Take a turn out, question and answer."""
        conversation: Conversation = values[self._widgets.memory.conversation]
        turn = int(event.turn)
        if request.session_hash in self._running or not 0 <= turn < len(conversation.turns):
            return gr.skip()
        return self._settled(conversation.without(turn))

    def stop(self, values: Values, request: gr.Request) -> Changes:
        """End the running answer; what has come stays."""
        feed = self._running.get(_session(request))
        if feed is not None:
            feed.stop()
        return gr.skip()

    def start_over(self, values: Values, request: gr.Request) -> Changes:
        """A new, empty conversation."""
        if _session(request) in self._running:
            return gr.skip()
        return self._settled(Conversation()) | {self._widgets.chat.evidence: ""}

    def show_code(self, values: Values) -> Changes:
        """Before there is a run, the code of what Send would ask."""
        if values[self._widgets.memory.run] is not None:
            return gr.skip()
        model = find(values[self._widgets.memory.models], values[self._widgets.controls.model])
        if model is None:
            return gr.skip()
        conversation = Conversation().ask(values[self._widgets.chat.question] or strings.EXAMPLES[0][1])
        recipe = read(self._widgets.controls, values, model)
        body = recipe.body(conversation.messages(values[self._widgets.controls.system]))
        return self._code(Run(body=body), values, strings.CODE_NEXT)

    async def _answer(self, values: Values, request: gr.Request, conversation: Conversation) -> Updates:
        memory, controls = self._widgets.memory, self._widgets.controls
        model = find(values[memory.models], values[controls.model])
        if model is None or obstacle(values[memory.readiness], model) or _session(request) in self._running:
            yield {self._widgets.chat.transcript: draw(values[memory.conversation])}
            return
        recipe = read(controls, values, model)
        run = Run(body=recipe.body(conversation.messages(values[controls.system])))
        yield self._begun(conversation, run, values)
        async for run, conversation, changes in self._stream(request, conversation, run):
            yield changes
        yield self._ended(conversation, run, values)

    async def _stream(
        self, request: gr.Request, conversation: Conversation, run: Run
    ) -> AsyncGenerator[tuple[Run, Conversation, Changes], None]:
        session = _session(request)
        feed = self._running[session] = Feed(self._api.answer(run.body))
        try:
            async with aclosing(feed.batches()) as batches:
                async for chunks in batches:
                    run = run.and_then(chunks)
                    conversation = conversation.with_last(answer=run.answer.text, reasoning=run.answer.reasoning)
                    yield run, conversation, self._shown(conversation)
            if feed.is_stopped:
                run = run.stopped()
                conversation = conversation.with_last(is_stopped=True)
                yield run, conversation, self._shown(conversation)
        except APIError as error:
            yield run, conversation, {self._widgets.chat.notice: alert(trouble_of(error))}
        finally:
            del self._running[session]

    def _shown(self, conversation: Conversation) -> Changes:
        return {
            self._widgets.memory.conversation: conversation,
            self._widgets.chat.transcript: draw(conversation),
        }

    def _begun(self, conversation: Conversation, run: Run, values: Values) -> Changes:
        chat = self._widgets.chat
        return {
            **self._shown(conversation),
            **self._code(run, values, strings.CODE_LAST),
            self._widgets.memory.run: run,
            chat.question: "",
            chat.notice: "",
            chat.evidence: running(run.body),
            chat.send: gr.Button(visible=False),
            chat.stop: gr.Button(visible=True),
            chat.new_chat: gr.Button(interactive=False),
        }

    def _ended(self, conversation: Conversation, run: Run, values: Values) -> Changes:
        chat = self._widgets.chat
        return {
            **self._settled(conversation),
            self._widgets.memory.run: run,
            self._widgets.export.response: response_listing(run.answer.as_response()),
            chat.evidence: strip(facts_of(run.answer, run.seed)),
            chat.send: gr.Button(visible=True),
            chat.stop: gr.Button(visible=False),
            chat.new_chat: gr.Button(interactive=True),
        }

    def _settled(self, conversation: Conversation) -> Changes:
        return self._shown(conversation)

    def _code(self, run: Run, values: Values, note: str) -> Changes:
        export = self._widgets.export
        shown = listings(run.body, values[export.origin], self._key)
        changes: Changes = {export.listings[language]: html for language, html in shown.items()}
        return {export.note: str(element("p", note, class_="np-lead")), **changes}


def _session(request: gr.Request) -> str:
    return request.session_hash or ""


def _index(event: gr.EventData) -> int:
    index: int = event.index
    return index
