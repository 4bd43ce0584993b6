"""What do the two lanes of a comparison ask, and what may they ask instead?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from nemotron_app.ui import strings
from nemotron_app.ui.capabilities import FIELDS, PAIR, Field, Model, find, talking
from nemotron_app.ui.changes import Changes, Values, nothing
from nemotron_app.ui.choices import settle
from nemotron_app.ui.controls import read
from nemotron_app.ui.examples import offered
from nemotron_app.ui.recipe import Recipe, Thinking
from nemotron_app.ui.widgets import Widgets

_BEHAVIOUR = """
const show = () => customElements.whenDefined('np-compare').then(() => {
  element.querySelector('np-compare')?.tell(props.told);
});
element.addEventListener('np-set', (event) => trigger('set_lane', event.detail));
watch('told', show);
"""


def compare_view() -> gr.HTML:
    """An element of `static/answer/compare.js`."""
    return gr.HTML(
        html_template="<np-compare></np-compare>",
        js_on_load=_BEHAVIOUR,
        elem_id="np-compare",
        apply_default_css=False,
        told={},
    )


class Comparison:
    """Handlers of the Compare tab: they spell settings, the browser asks by itself."""

    def __init__(self, widgets: Widgets) -> None:
        self._widgets = widgets

    def open(self, values: Values) -> Changes:
        """All that is served, and two lanes that show what the chosen model can do."""
        models: Sequence[Model] = values[self._widgets.memory.models]
        model = find(models, values[self._widgets.controls.model])
        if model is None or not model.is_served:
            model = next((each for each in talking(models) if each.is_served), None)
        if model is None:
            return nothing()
        recipe = self._recipe(values, model)
        told = {
            "groups": [_group(each) for each in talking(models) if each.is_served],
            "lanes": [_setting(lane) for lane in lanes(model, recipe)],
            "prompt": offered(model)[0]["text"],
        }
        return {self._widgets.compare: gr.HTML(told=told)}

    def set_lane(self, values: Values, event: gr.EventData) -> Changes:
        """Another variant for a lane, with everything else as the panel has it."""
        model_id, *knobs = (event.variant or "").split(":")
        model = find(values[self._widgets.memory.models], model_id or values[self._widgets.controls.model])
        if model is None or not model.is_served:
            return nothing()
        recipe = self._recipe(values, model)
        if knobs:
            recipe = turned_to(recipe, dict(zip(FIELDS, knobs, strict=True)))
        told = {"lane": int(event.lane), "setting": _setting(recipe)}
        return {self._widgets.compare: gr.HTML(told=told)}

    def _recipe(self, values: Values, model: Model) -> Recipe:
        recipe = read(self._widgets.controls, values, model, is_watched=True)
        chosen = settle(model, _knobs(recipe))
        thinking = recipe.thinking
        if thinking and thinking.is_on and thinking.size in model.thinking_sizes(chosen):
            chosen["size"] = f"{thinking.size}{PAIR}{chosen['size']}"
        return turned_to(recipe, chosen)


def lanes(model: Model, recipe: Recipe) -> tuple[Recipe, Recipe]:
    """Two variants that differ in what the model has most of: decode modes, else sizes, else precisions."""
    chosen = _knobs(recipe)
    field: Field
    for field in ("decode", "size", "precision"):
        beside = [knobs for knobs in model.served() if {**knobs, field: ""} == {**chosen, field: ""}]
        if len(beside) > 1:
            return turned_to(recipe, beside[0]), turned_to(recipe, beside[-1])
    return recipe, recipe


def turned_to(recipe: Recipe, knobs: Mapping[Field, str]) -> Recipe:
    """The recipe with other knobs; a pair of sizes thinks with its first one."""
    thinking_size, pair, size = knobs["size"].rpartition(PAIR)
    thinking = recipe.thinking
    if pair:
        thinking = replace(thinking or Thinking(is_on=True), is_on=True, size=thinking_size)
    elif thinking is not None:
        thinking = replace(thinking, size="")
    return replace(recipe, size=size, precision=knobs["precision"], decode=knobs["decode"], thinking=thinking)


def settings(recipe: Recipe) -> str:
    """The settings beside the variant, in a line."""
    told: dict[str, object] = {"temperature": recipe.temperature, "top_p": recipe.top_p}
    told |= recipe.filling.fields(recipe.decode)
    if recipe.thinking is not None:
        told |= {"thinking": strings.ON if recipe.thinking.is_on else strings.OFF}
        told |= {name: value for name, value in recipe.thinking.fields().items() if name != "thinking_size"}
    return " · ".join(f"{name.replace('_', ' ')} {_spelled(value)}" for name, value in told.items())


def _setting(recipe: Recipe) -> dict[str, Any]:
    size = recipe.thinking.size if recipe.thinking and recipe.thinking.is_on else ""
    knobs = {**_knobs(recipe), "size": f"{size}{PAIR}{recipe.size}" if size else recipe.size}
    variant = ":".join((recipe.model, *(knobs[field] for field in FIELDS)))
    body = {name: value for name, value in recipe.body([]).items() if name != "messages"}
    return {"variant": variant, "body": body, "settings": settings(recipe)}


def _knobs(recipe: Recipe) -> dict[Field, str]:
    return {"size": recipe.size, "precision": recipe.precision, "decode": recipe.decode}


def _group(model: Model) -> dict[str, Any]:
    return {
        "model": model.name,
        "variants": [
            {"value": variant, "label": _label(variant.split(":")[1:])} for variant in model.variants
        ],
    }


def _label(knobs: Iterable[str]) -> str:
    return " · ".join(knobs)


def _spelled(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
