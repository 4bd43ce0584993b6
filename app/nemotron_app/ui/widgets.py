"""Which widgets does the page have?"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from nemotron_app.ui.controls import Controls


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """Where people and models talk.

    `turn_actions` tells what the buttons at the turns ask for, and gives Copy its text; `watch` shows how the
    last answer was made, where `is_watched` asks for it.
    """

    transcript: gr.Chatbot
    turn_actions: gr.HTML
    notice: gr.HTML
    watch: gr.HTML
    evidence: gr.HTML
    question: gr.Textbox
    is_watched: gr.Checkbox
    send: gr.Button
    stop: gr.Button
    new_chat: gr.Button
    obstacle: gr.HTML


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """Where a run is shown as code; `origin` is the server's address as the visitor's browser knows it."""

    tab: gr.Tab
    note: gr.HTML
    listings: Mapping[str, gr.HTML]
    response: gr.HTML
    origin: gr.Textbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a visitor's tab remembers on the server."""

    conversation: gr.State
    run: gr.State
    models: gr.State
    readiness: gr.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Widgets:
    """Everything that a handler may read or change."""

    pill: gr.HTML
    chat: Chat
    compare: gr.HTML
    compare_tab: gr.Tab
    export: Export
    gallery: gr.HTML
    controls: Controls
    memory: Memory
    clock: gr.Timer

    def inputs(self) -> set[Component]:
        """What every handler is given."""
        memory, chat = self.memory, self.chat
        remembered = {memory.conversation, memory.run, memory.models, memory.readiness}
        return {*self.controls.inputs(), *remembered, chat.question, chat.is_watched, self.export.origin}

    def outputs(self) -> list[Block]:
        """What a handler may change."""
        memory, chat, export = self.memory, self.chat, self.export
        remembered = [memory.conversation, memory.run, memory.models, memory.readiness]
        talk = [getattr(chat, item.name) for item in fields(chat) if item.name != "is_watched"]
        exported = [export.note, *export.listings.values(), export.response]
        shown = [self.pill, self.gallery, self.clock, self.compare]
        return [*shown, *remembered, *talk, *exported, *self.controls.outputs()]
