"""How does a visitor say whether, with which size and for how long a model thinks?"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from nemotron_app.ui import strings
from nemotron_app.ui.capabilities import Field, Model
from nemotron_app.ui.changes import Changes, Values
from nemotron_app.ui.choices import Choice
from nemotron_app.ui.knob import knob, turned
from nemotron_app.ui.recipe import Thinking


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingControls:
    """The widgets about thinking; `section` holds them, and is hidden for a model that cannot."""

    section: gr.Column
    switch: gr.Checkbox
    size: gr.HTML
    handover: gr.HTML
    budget: gr.Number

    def inputs(self) -> set[Component]:
        return {self.switch, self.size, self.handover, self.budget}

    def outputs(self) -> list[Block]:
        return [getattr(self, item.name) for item in fields(self)]


def build_thinking() -> ThinkingControls:
    """Draw the section."""
    with gr.Column(visible="hidden", elem_classes=["np-section", "np-thinking"]) as section:
        switch = gr.Checkbox(label=strings.THINKING_LABEL, elem_id="np-thinking")
        size = knob("thinking-size", strings.THINKING_SIZE, is_shown=False)
        handover = knob("handover", strings.HANDOVER, _handovers(), "prefill", is_shown=False)
        budget = gr.Number(
            label=strings.BUDGET,
            info=strings.BUDGET_INFO,
            value=None,
            minimum=0,
            precision=0,
            elem_id="np-budget",
        )
    return ThinkingControls(section=section, switch=switch, size=size, handover=handover, budget=budget)


def read_thinking(controls: ThinkingControls, values: Values, model: Model) -> Thinking | None:
    """What the widgets ask for."""
    if model.reasoning is None:
        return None
    budget = values[controls.budget]
    return Thinking(
        is_on=bool(values[controls.switch]),
        size=values[controls.size] or "",
        budget=None if budget is None else int(budget),
        handover=values[controls.handover] or "prefill",
    )


def rested(controls: ThinkingControls, model: Model) -> dict[Component, Any]:
    """What stands in the widgets for a model that has just been chosen."""
    is_on = bool(model.reasoning and model.reasoning.default)
    return {controls.switch: is_on, controls.size: "", controls.budget: None}


def fit_thinking(
    controls: ThinkingControls, thinking: Thinking | None, model: Model, chosen: Mapping[Field, str]
) -> Changes:
    """Show what has a meaning: for the model, with thinking on or off, for the size that answers.

    The budget is hidden by the style sheet while the switch is off: an empty number comes back as 0 where it
    is taken out of the page altogether, or not said to be empty.
    """
    is_on = thinking is not None and thinking.is_on
    possible = model.thinking_sizes(chosen)
    size = thinking.size if thinking is not None and thinking.size in possible else ""
    sizes = _sizes(model, chosen, possible)
    handover = thinking.handover if thinking is not None else "prefill"
    has_sizes = is_on and model.has_pairs
    return {
        controls.section: gr.Column(visible=True if thinking is not None else "hidden"),
        controls.size: turned("thinking-size", strings.THINKING_SIZE, sizes, size, is_shown=has_sizes),
        controls.handover: turned(
            "handover", strings.HANDOVER, _handovers(), handover, is_shown=is_on and bool(size)
        ),
        controls.budget: gr.Number(value=thinking.budget if thinking else None),
    }


def _sizes(model: Model, chosen: Mapping[Field, str], possible: tuple[str, ...]) -> tuple[Choice, ...]:
    """The model's sizes, largest first as published; the one that answers is the empty value."""
    return tuple(_size(name, chosen["size"], possible) for name in model.published("size"))


def _size(name: str, answering: str, possible: tuple[str, ...]) -> Choice:
    if name == answering:
        return Choice(value="", label=strings.SAME_SIZE.format(size=name))
    reason = "" if name in possible else strings.NO_PAIR.format(size=answering)
    return Choice(value=name, is_offered=not reason, reason=reason)


def _handovers() -> tuple[Choice, ...]:
    return tuple(Choice(value=value, label=label) for value, label in strings.HANDOVERS.items())
