"""How do answers to one question compare in the eyes of a reward model?"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup
from openai import APIError, APIStatusError

from nemotron_app.ui import strings
from nemotron_app.ui.api import Api
from nemotron_app.ui.markup import element, join
from nemotron_app.ui.site import VisitorError
from nemotron_app.ui.visitor import connection_of

NUM_ANSWERS = 4
# What attributes usually lie between; a bar is full or empty beyond.
_MOST = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What the model says of the answer with this number, counted from one."""

    number: int
    scores: Mapping[str, float]
    reward: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Widgets:
    model: gr.Dropdown
    question: gr.Textbox
    answers: Sequence[gr.Textbox]
    score: gr.Button
    result: gr.HTML


def score_tab(api: Api) -> None:
    """The page, with what answers its events."""
    with gr.Tab(strings.TAB_SCORE, elem_id="np-score-tab") as tab, gr.Column(elem_id="np-score"):
        gr.HTML(str(element("p", strings.SCORE_INTRO, class_="np-lead")), apply_default_css=False)
        widgets = _widgets()
    page = _Page(api)
    tab.select(
        page.open,
        widgets.model,
        [widgets.model, widgets.result],
        api_visibility="private",
        show_progress="hidden",
    )
    widgets.score.click(
        page.score,
        [widgets.model, widgets.question, *widgets.answers],
        widgets.result,
        api_visibility="private",
        show_progress="hidden",
    )


def _widgets() -> _Widgets:
    model = gr.Dropdown(label=strings.SCORE_MODEL, choices=[], elem_id="np-score-model")
    question = gr.Textbox(label=strings.SCORE_QUESTION, lines=2, elem_id="np-score-question")
    with gr.Row(elem_id="np-score-answers"):
        answers = [
            gr.Textbox(label=strings.SCORE_ANSWER.format(number=number), lines=4, min_width=240)
            for number in range(1, NUM_ANSWERS + 1)
        ]
    score = gr.Button(strings.SCORE, variant="primary", elem_id="np-score-go")
    result = gr.HTML(elem_id="np-score-result", apply_default_css=False)
    return _Widgets(model=model, question=question, answers=answers, score=score, result=result)


class _Page:
    """The handlers."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def open(self, chosen: str | None, request: gr.Request) -> tuple[Any, str]:
        """Offer the reward models that are served."""
        try:
            models = await self._api.models(connection_of(request))
        except (APIError, VisitorError) as error:
            return gr.skip(), _trouble(error)
        judges = [(model.name, model.id) for model in models if model.kind == "reward" and model.is_served]
        if not judges:
            return gr.Dropdown(choices=[], value=None), str(element("p", strings.SCORE_NONE))
        ids = [model_id for _, model_id in judges]
        return gr.Dropdown(choices=judges, value=chosen if chosen in ids else ids[0]), ""

    async def score(self, request: gr.Request, model: str | None, question: str, *texts: str) -> str:
        """Score every answer that is there."""
        written = [(number, text) for number, text in enumerate(texts, start=1) if text.strip()]
        if not (model and question.strip() and written):
            return str(element("p", strings.SCORE_MISSING, role="alert"))
        body = {"model": model, "answers": [_answer(question, text) for _, text in written]}
        try:
            lines = await self._api.scores(body, connection_of(request))
        except (APIError, VisitorError) as error:
            return _trouble(error)
        return table([_scored(json.loads(line), written) for line in lines])


def _answer(question: str, text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": text}]}


def _scored(line: Mapping[str, Any], written: Sequence[tuple[int, str]]) -> Scored:
    return Scored(number=written[line["index"]][0], scores=line["scores"], reward=line["reward"])


def table(found: Sequence[Scored]) -> str:
    """A column for each answer in its order, a row for each attribute, and the sum of all last."""
    columns = sorted(found, key=lambda scored: scored.number)
    best = max(columns, key=lambda scored: scored.reward)
    names = tuple(columns[0].scores)
    rows = [_row(name, [scored.scores[name] for scored in columns]) for name in names]
    if names != ("reward",):
        rows.append(_row("reward", [scored.reward for scored in columns], has_bar=False))
    heads = join(
        element("th", _head(scored, is_best=scored is best and len(columns) > 1), scope="col")
        for scored in columns
    )
    head = element("thead", element("tr", element("td") + heads))
    caption = element("caption", strings.SCORE_CAPTION)
    return str(element("table", caption + head + element("tbody", join(rows)), class_="np-scores"))


def _head(scored: Scored, *, is_best: bool) -> Markup:
    name = Markup("{}").format(strings.SCORE_ANSWER.format(number=scored.number))
    badge = element("span", strings.SCORE_BEST, class_="np-badge np-badge-here") if is_best else Markup()
    return name + badge


def _row(name: str, values: Sequence[float], *, has_bar: bool = True) -> Markup:
    label = element("th", strings.SCORE_NAMES.get(name, name), scope="row")
    bars = has_bar and name != "reward"
    cells = join(element("td", (_bar(value) if bars else Markup()) + f"{value:.2f}") for value in values)
    return element("tr", label + cells, class_=None if bars else "np-scores-sum")


def _bar(value: float) -> Markup:
    """A bar that says nothing to those who hear the number beside it."""
    share = min(max(value / _MOST, 0.0), 1.0)
    return element("i", element("b", style=f"width:{100 * share:.0f}%"), aria_hidden="true")


def _trouble(error: Exception) -> str:
    message = error.message if isinstance(error, APIStatusError) else str(error) or strings.SCORE_FAILED
    return str(element("p", message, role="alert"))
