"""Which knobs does a visitor turn, and what do they ask for together?"""

import json
import random
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from nemotron_app.ui import strings
from nemotron_app.ui.capabilities import Field, Model
from nemotron_app.ui.changes import Changes, Values
from nemotron_app.ui.filling_controls import FillingControls, build_filling, read_filling
from nemotron_app.ui.knob import knob
from nemotron_app.ui.recipe import Recipe
from nemotron_app.ui.thinking_controls import ThinkingControls, build_thinking, read_thinking

_SEEDS = 2**32
_ESCAPES = {r"\n": "\n", r"\t": "\t", r"\\": "\\"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """The widgets of the side panel."""

    model: gr.Dropdown
    card: gr.HTML
    size: gr.HTML
    precision: gr.HTML
    decode: gr.HTML
    filling: FillingControls
    price: gr.HTML
    thinking: ThinkingControls
    system: gr.Textbox
    tools_section: gr.Accordion
    tools: gr.Textbox
    temperature: gr.Slider
    top_p: gr.Slider
    max_tokens: gr.Slider
    seed: gr.Number
    top_k: gr.Slider
    min_p: gr.Slider
    repetition_penalty: gr.Slider
    presence_penalty: gr.Slider
    frequency_penalty: gr.Slider
    stop: gr.Textbox
    reset: gr.Button
    recommended: gr.HTML

    def inputs(self) -> set[Component]:
        """Everything that `read` and `chosen` look at."""
        unread = {self.card, self.price, self.reset, self.recommended}
        return {*self._own(), *self.filling.widgets(), *self.thinking.inputs()} - unread

    def outputs(self) -> list[Block]:
        """Everything that may change."""
        return [*self._own(), self.tools_section, *self.filling.widgets(), *self.thinking.outputs()]

    def _own(self) -> list[Component]:
        widgets = (getattr(self, item.name) for item in fields(self))
        return [widget for widget in widgets if isinstance(widget, Component)]

    def chosen(self, values: Values) -> dict[Field, str]:
        return {
            "size": values[self.size],
            "precision": values[self.precision],
            "decode": values[self.decode],
        }


def build_controls() -> Controls:
    """Draw the panel, in the order in which a visitor reads it."""
    with gr.Column(elem_classes=["np-section"]):
        gr.HTML(f"<h2>{strings.VARIANT_SECTION}</h2>", apply_default_css=False)
        variant = _variant_widgets()
    thinking = build_thinking()
    system = gr.Textbox(
        label=strings.SYSTEM_LABEL,
        placeholder=strings.SYSTEM_PLACEHOLDER,
        lines=2,
        max_lines=8,
        elem_id="np-system",
    )
    with gr.Accordion(strings.TOOLS, open=False, visible=False, elem_id="np-tools-fold") as tools_section:
        tools = gr.Textbox(
            label=strings.TOOLS_LABEL,
            info=strings.TOOLS_INFO,
            placeholder=strings.TOOLS_PLACEHOLDER,
            lines=6,
            max_lines=16,
            elem_id="np-tools",
        )
    with gr.Column(elem_classes=["np-section"]):
        gr.HTML(f"<h2>{strings.SAMPLING_SECTION}</h2>", apply_default_css=False)
        sampling = _sampling_widgets()
        with gr.Accordion(strings.MORE_SAMPLING, open=False, elem_id="np-more"):
            more = _more_sampling_widgets()
        reset = gr.Button(strings.RESET, size="sm", elem_id="np-reset")
        recommended = gr.HTML(elem_classes=["np-hint"], apply_default_css=False)
    return Controls(
        **variant,
        thinking=thinking,
        system=system,
        tools_section=tools_section,
        tools=tools,
        **sampling,
        **more,
        reset=reset,
        recommended=recommended,
    )


def _variant_widgets() -> dict[str, Any]:
    return {
        "model": gr.Dropdown(label=strings.MODEL_LABEL, choices=[], elem_id="np-model", filterable=True),
        "card": gr.HTML(elem_id="np-card", apply_default_css=False),
        "size": knob("size", strings.KNOB_NAMES["size"]),
        "precision": knob("precision", strings.KNOB_NAMES["precision"]),
        "decode": knob("decode", strings.KNOB_NAMES["decode"]),
        "filling": build_filling(),
        "price": gr.HTML(elem_id="np-price", apply_default_css=False),
    }


def _sampling_widgets() -> dict[str, Any]:
    return {
        "temperature": _slider(strings.TEMPERATURE, strings.TEMPERATURE_INFO, (0, 2), 0.05, 0.0),
        "top_p": _slider(strings.TOP_P, strings.TOP_P_INFO, (0.01, 1), 0.01, 1.0),
        "max_tokens": _slider(strings.MAX_TOKENS, strings.MAX_TOKENS_INFO, (1, 4096), 1, 512),
        "seed": gr.Number(
            label=strings.SEED_LABEL,
            info=strings.SEED_INFO,
            value=None,
            minimum=0,
            maximum=2**53 - 1,
            precision=0,
            elem_id="np-seed",
        ),
    }


def _more_sampling_widgets() -> dict[str, Any]:
    return {
        "top_k": _slider(strings.TOP_K, strings.TOP_K_INFO, (0, 200), 1, 0),
        "min_p": _slider(strings.MIN_P, strings.MIN_P_INFO, (0, 1), 0.01, 0.0),
        "repetition_penalty": _slider(strings.REPETITION, strings.REPETITION_INFO, (0.5, 2), 0.01, 1.0),
        "presence_penalty": _slider(strings.PRESENCE, strings.PRESENCE_INFO, (-2, 2), 0.05, 0.0),
        "frequency_penalty": _slider(strings.FREQUENCY, strings.FREQUENCY_INFO, (-2, 2), 0.05, 0.0),
        "stop": gr.Textbox(
            label=strings.STOP_LABEL, info=strings.STOP_INFO, lines=2, max_lines=6, elem_id="np-stop-strings"
        ),
    }


def _slider(label: str, info: str, span: tuple[float, float], step: float, value: float) -> gr.Slider:
    name = label.lower().replace(" ", "-")
    return gr.Slider(*span, value=value, step=step, label=label, info=info, elem_id=f"np-{name}")


def read(controls: Controls, values: Values, model: Model, *, is_watched: bool = False) -> Recipe:
    """What the widgets ask for, with a seed drawn where none is given."""
    seed = values[controls.seed]
    return Recipe(
        model=model.id,
        **controls.chosen(values),
        temperature=float(values[controls.temperature]),
        top_p=float(values[controls.top_p]),
        top_k=int(values[controls.top_k]),
        min_p=float(values[controls.min_p]),
        repetition_penalty=float(values[controls.repetition_penalty]),
        presence_penalty=float(values[controls.presence_penalty]),
        frequency_penalty=float(values[controls.frequency_penalty]),
        max_tokens=int(values[controls.max_tokens]),
        seed=random.randrange(_SEEDS) if seed is None else int(seed),
        stop=stop_strings(values[controls.stop] or ""),
        thinking=read_thinking(controls.thinking, values, model),
        filling=read_filling(controls.filling, values),
        tools=tools_of(values[controls.tools] or "") if model.tools else (),
        is_watched=is_watched,
    )


def tools_of(text: str) -> Any:
    """What the text spells; the text itself where it is no JSON, for the server to refuse it in its words."""
    try:
        return json.loads(text) if text.strip() else ()
    except ValueError:
        return text


def stop_strings(text: str) -> tuple[str, ...]:
    """One string a line, with the escapes that let a line hold a line break."""
    return tuple(_unescape(line) for line in text.splitlines() if line)


def _unescape(line: str) -> str:
    for index, character in enumerate(line):
        if character == "\\" and line[index : index + 2] in _ESCAPES:
            return line[:index] + _ESCAPES[line[index : index + 2]] + _unescape(line[index + 2 :])
    return line


def recommended_values(controls: Controls, model: Model) -> Changes:
    """The updates that set sampling to what the model's publisher advises, and all else to its rest."""
    most = max(1, model.context - 1) if model.context else 4096
    return {
        controls.temperature: model.sampling.temperature,
        controls.top_p: model.sampling.top_p,
        controls.max_tokens: gr.Slider(maximum=most, value=min(model.sampling.max_tokens, most)),
        controls.seed: None,
        controls.top_k: 0,
        controls.min_p: 0.0,
        controls.repetition_penalty: 1.0,
        controls.presence_penalty: 0.0,
        controls.frequency_penalty: 0.0,
        controls.stop: "",
    }
