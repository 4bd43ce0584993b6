"""Which widgets change as an answer begins, grows and ends?"""

import gradio as gr

from nemotron_app.ui import strings
from nemotron_app.ui.changes import Changes
from nemotron_app.ui.code import listings, response_listing
from nemotron_app.ui.conversation import Conversation, answers, draw
from nemotron_app.ui.evidence import facts_of, running, strip
from nemotron_app.ui.exchange import Exchange
from nemotron_app.ui.markup import element
from nemotron_app.ui.notice import alert
from nemotron_app.ui.run import Run
from nemotron_app.ui.watch import unwatched, watched
from nemotron_app.ui.widgets import Widgets


class Redraw:
    """Turns what has happened into changes of widgets."""

    def __init__(self, widgets: Widgets) -> None:
        self._widgets = widgets

    def conversation(self, conversation: Conversation) -> Changes:
        return {
            self._widgets.memory.conversation: conversation,
            self._widgets.chat.transcript: draw(conversation),
        }

    def settled(self, conversation: Conversation) -> Changes:
        """The conversation, with what Copy gives of each answer."""
        copied = gr.HTML(answers=answers(conversation))
        return {**self.conversation(conversation), self._widgets.chat.turn_actions: copied}

    def grown(self, exchange: Exchange) -> Changes:
        """The answer so far, and how it is made for those who look."""
        return {**self.conversation(exchange.conversation), **self._watched(exchange.run)}

    def begun(self, exchange: Exchange, origin: str) -> Changes:
        chat = self._widgets.chat
        return {
            **self.conversation(exchange.conversation),
            **self.code(exchange.run, origin, strings.CODE_LAST),
            self._widgets.memory.run: exchange.run,
            chat.question: "",
            chat.notice: "",
            chat.watch: watched(()) if exchange.run.is_watched else unwatched(),
            chat.evidence: running(exchange.run.body),
            chat.send: gr.Button(visible=False),
            chat.stop: gr.Button(visible=True),
            chat.new_chat: gr.Button(interactive=False),
        }

    def ended(self, exchange: Exchange) -> Changes:
        chat, run = self._widgets.chat, exchange.run
        return {
            **self.settled(exchange.conversation),
            **self._watched(run, is_over=True),
            self._widgets.memory.run: run,
            self._widgets.export.response: response_listing(run.answer.as_response()),
            chat.notice: alert(exchange.trouble) if exchange.trouble else "",
            chat.evidence: strip(facts_of(run.answer, run.seed)) if run.answer.id else "",
            chat.send: gr.Button(visible=True),
            chat.stop: gr.Button(visible=False),
            chat.new_chat: gr.Button(interactive=True),
        }

    def emptied(self) -> Changes:
        chat = self._widgets.chat
        return {
            **self.settled(Conversation()),
            chat.notice: "",
            chat.watch: unwatched(),
            chat.evidence: "",
        }

    def code(self, run: Run, origin: str, note: str) -> Changes:
        export = self._widgets.export
        shown = listings(run.body, origin)
        changes: Changes = {export.listings[language]: html for language, html in shown.items()}
        return {export.note: str(element("p", note, class_="np-lead")), **changes}

    def _watched(self, run: Run, *, is_over: bool = False) -> Changes:
        if not run.is_watched:
            return {}
        return {self._widgets.chat.watch: watched(run.chunks, is_over=is_over)}
