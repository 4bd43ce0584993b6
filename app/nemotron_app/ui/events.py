"""Which handler answers which event?"""

from collections.abc import Callable
from typing import Any

import gradio as gr

from nemotron_app.ui.dialogue import Dialogue
from nemotron_app.ui.panel import Panel
from nemotron_app.ui.widgets import Widgets

_ORIGIN = "() => window.location.origin"


def connect(page: gr.Blocks, widgets: Widgets, dialogue: Dialogue, panel: Panel) -> None:
    """Give every widget its handler. Each receives all inputs as one dict and answers with its changes."""
    chat, controls = widgets.chat, widgets.controls
    _on = _listener(widgets)

    page.load(None, None, widgets.export.origin, js=_ORIGIN, api_visibility="private")
    for trigger in (page.load, widgets.clock.tick):
        _on(trigger, panel.refresh)
    _on(controls.model.input, panel.choose_model)
    for knob in (controls.size, controls.precision, controls.decode):
        _on(knob.input, panel.turn_knob)
    _on(controls.reset.click, panel.reset)

    for trigger in (chat.send.click, chat.question.submit):
        _on(trigger, dialogue.send)
    _on(chat.transcript.example_select, dialogue.send_example)
    _on(chat.transcript.retry, dialogue.regenerate)
    _on(chat.transcript.edit, dialogue.edit)
    _on(chat.turn_actions.delete_turn, dialogue.delete)
    _on(chat.turn_actions.ask_again, dialogue.ask_again)
    _on(chat.stop.click, dialogue.stop)
    _on(chat.new_chat.click, dialogue.start_over)
    _on(widgets.export.tab.select, dialogue.show_code)


def _listener(widgets: Widgets) -> Callable[[Callable[..., Any], Callable[..., Any]], None]:
    inputs, outputs = widgets.inputs(), widgets.outputs()

    def listen(trigger: Callable[..., Any], handler: Callable[..., Any]) -> None:
        # "once" would drop a click in the moment between the last word and the end of its event.
        trigger(
            handler,
            inputs,
            outputs,
            show_progress="hidden",
            api_visibility="private",
            trigger_mode="multiple",
        )

    return listen
