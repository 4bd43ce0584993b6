"""How does a visitor say how masks are filled in, in the decode modes that have any?"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import gradio as gr
from gradio.components import Component

from nemotron_app.ui import strings
from nemotron_app.ui.changes import Changes, Values
from nemotron_app.ui.choices import Choice
from nemotron_app.ui.knob import knob, turned
from nemotron_app.ui.recipe import Filling

_AUTO = "auto"
_BLOCK_LENGTHS = (_AUTO, "4", "8", "16", "32")
_NAMES: Mapping[str, Mapping[str, str]] = {
    "block-length": dict(zip(_BLOCK_LENGTHS, _BLOCK_LENGTHS, strict=True)),
    "pace": strings.PACES,
    "order": strings.ORDERS,
    "drafting": strings.DRAFTINGS,
    "acceptance": strings.ACCEPTANCES,
}
_LEGENDS: Mapping[str, str] = {
    "block-length": strings.BLOCK_LENGTH,
    "pace": strings.PACE,
    "order": strings.ORDER,
    "drafting": strings.DRAFTING,
    "acceptance": strings.ACCEPTANCE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FillingControls:
    """The widgets of the decode modes; each mode shows its own."""

    block_length: gr.HTML
    pace: gr.HTML
    threshold: gr.Slider
    num_steps: gr.Slider
    order: gr.HTML
    drafting: gr.HTML
    acceptance: gr.HTML

    def widgets(self) -> list[Component]:
        return [getattr(self, item.name) for item in fields(self)]


def build_filling() -> FillingControls:
    """Draw the controls, hidden until a mode has them."""
    return FillingControls(
        block_length=_knob("block-length", _AUTO),
        pace=_knob("pace", "threshold"),
        threshold=gr.Slider(
            0,
            1,
            value=0.9,
            step=0.01,
            label=strings.THRESHOLD,
            info=strings.THRESHOLD_INFO,
            visible=False,
            elem_id="np-threshold",
        ),
        num_steps=gr.Slider(
            1,
            32,
            value=8,
            step=1,
            label=strings.STEPS,
            info=strings.STEPS_INFO,
            visible=False,
            elem_id="np-num-steps",
        ),
        order=_knob("order", "confidence"),
        drafting=_knob("drafting", "linear"),
        acceptance=_knob("acceptance", "match"),
    )


def read_filling(controls: FillingControls, values: Values) -> Filling:
    """What the widgets ask for."""
    length = values[controls.block_length]
    has_steps = values[controls.pace] == "steps"
    return Filling(
        block_length=None if length in (None, _AUTO) else int(length),
        threshold=float(values[controls.threshold]),
        num_steps=int(values[controls.num_steps]) if has_steps else None,
        order=values[controls.order],
        drafting=values[controls.drafting],
        acceptance=values[controls.acceptance],
    )


def fit_filling(controls: FillingControls, values: Values, decode: str) -> Changes:
    """Show what has a meaning for a decode mode."""
    is_diffusion, is_speculation = decode == "diffusion", decode == "self-speculation"
    has_steps = values[controls.pace] == "steps"
    knobs: dict[str, tuple[gr.HTML, bool]] = {
        "block-length": (controls.block_length, is_diffusion or is_speculation),
        "pace": (controls.pace, is_diffusion),
        "order": (controls.order, is_diffusion),
        "drafting": (controls.drafting, is_speculation),
        "acceptance": (controls.acceptance, is_speculation),
    }
    return {
        controls.threshold: gr.Slider(visible=is_diffusion and not has_steps),
        controls.num_steps: gr.Slider(visible=is_diffusion and has_steps),
        **{
            widget: turned(name, _LEGENDS[name], _choices(name), values[widget], is_shown=is_shown)
            for name, (widget, is_shown) in knobs.items()
        },
    }


def _knob(name: str, value: str) -> gr.HTML:
    return knob(name, _LEGENDS[name], _choices(name), value, is_shown=False)


def _choices(name: str) -> tuple[Choice, ...]:
    return tuple(Choice(value=value, label=label) for value, label in _NAMES[name].items())
