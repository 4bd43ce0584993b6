"""Which handler answers which event?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from nemotron_app.ui.compare import Comparison
from nemotron_app.ui.dialogue import Dialogue
from nemotron_app.ui.panel import Panel
from nemotron_app.ui.widgets import Widgets

_ORIGIN = "() => window.location.origin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """Everything that answers events."""

    dialogue: Dialogue
    panel: Panel
    comparison: Comparison


def connect(page: gr.Blocks, widgets: Widgets, handlers: Handlers) -> None:
    """Give every widget its handler. Each receives all inputs as one dict and answers with its changes."""
    chat, controls = widgets.chat, widgets.controls
    dialogue, panel, comparison = handlers.dialogue, handlers.panel, handlers.comparison
    _on = _listener(widgets)

    page.load(None, None, widgets.export.origin, js=_ORIGIN, api_visibility="private")
    for trigger in (page.load, widgets.clock.tick):
        _on(trigger, panel.refresh)
    _on(controls.model.input, panel.choose_model)
    thinking, filling = controls.thinking, controls.filling
    knobs = (controls.size, controls.precision, controls.decode)
    for knob in (*knobs, filling.pace, thinking.switch, thinking.size):
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
    _on(widgets.compare_tab.select, comparison.open)
    _on(widgets.compare.set_lane, comparison.set_lane)


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
