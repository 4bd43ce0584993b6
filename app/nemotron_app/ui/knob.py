"""How does one of a few values get chosen, with a reason at each that cannot be?"""

from collections.abc import Iterable
from itertools import groupby

import gradio as gr
from markupsafe import Markup

from nemotron_app.ui import strings
from nemotron_app.ui.choices import Choice
from nemotron_app.ui.markup import element, join

# The chosen value is the component's value; the markup never changes by a choice, so focus stays put.
_BEHAVIOUR = """
const show = () => element.querySelectorAll('input').forEach((input) => {
  input.checked = input.value === props.value;
});
element.addEventListener('change', (event) => {
  props.value = event.target.value;
  trigger('input');
});
watch(['value', 'markup'], show);
show();
"""


def knob(
    name: str, legend: str, choices: Iterable[Choice] = (), value: str = "", *, is_shown: bool = True
) -> gr.HTML:
    """A row of radio buttons. Listen to `input`; change it with `turned`."""
    return gr.HTML(
        value=value,
        visible=is_shown,
        html_template="${markup}",
        js_on_load=_BEHAVIOUR,
        elem_id=f"np-knob-{name}",
        elem_classes=["np-knob"],
        apply_default_css=False,
        legend=legend,
        name=name,
        markup=_markup(name, legend, choices),
    )


def turned(
    name: str, legend: str, choices: Iterable[Choice], value: str, *, is_shown: bool = True
) -> gr.HTML:
    """The update that shows other choices and another value; an update without choices would lose them."""
    return gr.HTML(value=value, visible=is_shown, markup=_markup(name, legend, choices))


def _markup(name: str, legend: str, choices: Iterable[Choice]) -> str:
    listed = tuple(choices)
    if not listed:
        return ""
    options = join(_option(name, choice) for choice in listed)
    row = element("div", options, class_="np-options")
    meaning = strings.KNOB_MEANINGS.get(name)
    told = (*([meaning] if meaning else []), *_notes(listed))
    notes = join(element("p", note, class_="np-reason") for note in told)
    legend_element = element("legend", legend)
    return str(element("fieldset", legend_element + row + notes))


def _option(name: str, choice: Choice) -> Markup:
    radio = element(
        "input", type="radio", name=f"np-{name}", value=choice.value, disabled=not choice.is_offered
    )
    return element("label", radio + element("span", choice.name), title=choice.reason or None)


def _notes(choices: Iterable[Choice]) -> Iterable[str]:
    """One sentence a reason, with all the values that it keeps away."""
    refused = sorted((choice for choice in choices if choice.reason), key=lambda choice: choice.reason)
    for reason, group in groupby(refused, key=lambda choice: choice.reason):
        yield f"{', '.join(choice.name for choice in group)}: {reason}"
