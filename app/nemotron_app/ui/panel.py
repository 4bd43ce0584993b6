"""What does the side panel show, given the server and what is chosen?"""

from collections.abc import Sequence

import gradio as gr
from openai import APIError
from starlette.requests import HTTPConnection

from nemotron_app.ui import strings
from nemotron_app.ui.api import Api, Readiness
from nemotron_app.ui.capabilities import FIELDS, Model, find, talking
from nemotron_app.ui.cards import gallery, glance
from nemotron_app.ui.changes import Changes, Values, nothing
from nemotron_app.ui.choices import choices_of, settle
from nemotron_app.ui.controls import recommended_values
from nemotron_app.ui.examples import offered
from nemotron_app.ui.filling_controls import fit_filling
from nemotron_app.ui.knob import turned
from nemotron_app.ui.markup import element
from nemotron_app.ui.notice import obstacle, pill, waiting
from nemotron_app.ui.price import price
from nemotron_app.ui.site import SignedOut, VisitorError
from nemotron_app.ui.thinking_controls import fit_thinking, read_thinking, rested
from nemotron_app.ui.visitor import connection_of
from nemotron_app.ui.widgets import Widgets

READY_SECONDS = 5.0


class Panel:
    """Handlers of everything around the chat."""

    def __init__(self, api: Api, widgets: Widgets) -> None:
        self._api = api
        self._widgets = widgets

    async def refresh(self, values: Values, request: gr.Request) -> Changes:
        """Ask how the server is; when it has become ready, ask what it can do."""
        memory = self._widgets.memory
        before: Readiness = values[memory.readiness]
        models: Sequence[Model] = values[memory.models]
        now = await self._readiness()
        if now == before and (models or not now.is_ready):
            return nothing()
        changes: Changes = {}
        if now.is_ready:
            now, models = await self._models(now, models, connection_of(request))
            changes |= self._catalog(values, models)
            changes[self._widgets.clock] = gr.Timer(READY_SECONDS)
        changes |= {memory.readiness: now, self._widgets.pill: pill(now)}
        model = find(models, values[self._widgets.controls.model]) or next(iter(talking(models)), None)
        return changes | self._gate(now, model)

    def choose_model(self, values: Values) -> Changes:
        """Another model: its knobs, its card, its recommended sampling."""
        memory, controls = self._widgets.memory, self._widgets.controls
        model = find(values[memory.models], values[controls.model])
        if model is None:
            return nothing()
        return self._choose(values[memory.models], model, values) | self._gate(
            values[memory.readiness], model
        )

    def turn_knob(self, values: Values) -> Changes:
        """Another value of one knob, which may rule out values of the others."""
        memory, controls = self._widgets.memory, self._widgets.controls
        model = find(values[memory.models], values[controls.model])
        return self._knobs(values[memory.models], model, values) if model else nothing()

    def reset(self, values: Values) -> Changes:
        """Sampling as the model's publisher advises it."""
        memory, controls = self._widgets.memory, self._widgets.controls
        model = find(values[memory.models], values[controls.model])
        return recommended_values(controls, model) if model else nothing()

    async def _readiness(self) -> Readiness:
        try:
            return await self._api.readiness()
        except APIError as error:
            return Readiness(state="failed", progress=error.message)

    async def _models(
        self, now: Readiness, known: Sequence[Model], visitor: HTTPConnection
    ) -> tuple[Readiness, Sequence[Model]]:
        """The models, and whether the visitor may ask them at all."""
        try:
            return now, await self._api.models(visitor)
        except SignedOut:
            return Readiness(state="signed-out", progress=""), known
        except (APIError, VisitorError):
            return now, known

    def _catalog(self, values: Values, models: Sequence[Model]) -> Changes:
        """The whole panel, with what was chosen before kept where it still exists."""
        memory, controls = self._widgets.memory, self._widgets.controls
        kept = find(models, values[controls.model])
        model = kept or next(iter(talking(models)), None)
        changes: Changes = {memory.models: tuple(models), self._widgets.gallery: gallery(models)}
        if model is None:
            return changes
        listed = [(_label(each), each.id) for each in talking(models)]
        changes[controls.model] = gr.Dropdown(choices=listed, value=model.id)
        if kept is None:
            return changes | self._choose(models, model, values)
        return changes | self._show(models, model, values)

    def _choose(self, models: Sequence[Model], model: Model, values: Values) -> Changes:
        """A model that was not chosen before, with everything as it is advised."""
        controls = self._widgets.controls
        fresh: Values = {**values, **rested(controls.thinking, model)}
        return (
            recommended_values(controls, model)
            | self._show(models, model, fresh)
            | {controls.thinking.switch: fresh[controls.thinking.switch]}
            | {self._widgets.chat.transcript: gr.Chatbot(examples=offered(model))}
        )

    def _show(self, models: Sequence[Model], model: Model, values: Values) -> Changes:
        controls = self._widgets.controls
        return {
            controls.card: glance(model),
            controls.recommended: _source(model),
            controls.tools_section: gr.Accordion(visible=model.tools),
            **self._knobs(models, model, values),
        }

    def _knobs(self, models: Sequence[Model], model: Model, values: Values) -> Changes:
        controls = self._widgets.controls
        chosen = settle(model, controls.chosen(values))
        choices = choices_of(models, model, chosen)
        widgets = {"size": controls.size, "precision": controls.precision, "decode": controls.decode}
        knobs: Changes = {
            widgets[field]: turned(field, strings.KNOB_NAMES[field], choices[field], chosen[field])
            for field in FIELDS
        }
        thinking = read_thinking(controls.thinking, values, model)
        return {
            **knobs,
            **fit_filling(controls.filling, values, chosen["decode"]),
            **fit_thinking(controls.thinking, thinking, model, chosen),
            controls.price: price(model, chosen, thinking),
        }

    def _gate(self, readiness: Readiness, model: Model | None) -> Changes:
        """Send is on when an answer can come; else the reason stands beside it."""
        chat = self._widgets.chat
        reason = obstacle(readiness, model)
        return {chat.obstacle: waiting(reason), chat.send: gr.Button(interactive=not reason)}


def _label(model: Model) -> str:
    return model.name if model.is_served else strings.MODEL_NOT_SERVED.format(name=model.name)


def _source(model: Model) -> str:
    return str(element("p", strings.RECOMMENDED.format(source=model.sampling.source)))
