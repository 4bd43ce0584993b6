"""What is there to know about a model, at a glance and in full?"""

from collections.abc import Iterable, Iterator

from markupsafe import Markup

from nemotron_app.ui import strings
from nemotron_app.ui.capabilities import Model, Size
from nemotron_app.ui.limits import limits
from nemotron_app.ui.markup import element, join


def glance(model: Model) -> str:
    """The few lines under the model picker."""
    if model.is_served:
        return str(element("div", element("p", model.summary), class_="np-glance"))
    return str(
        element("div", _badge(model) + element("p", model.summary) + _ways(model), class_="np-glance np-away")
    )


def gallery(models: Iterable[Model]) -> str:
    """A card for every model, by family."""
    cards = join(element("li", _card(model)) for model in models)
    intro = element("p", strings.MODELS_INTRO, class_="np-lead")
    return str(intro + element("ul", cards, class_="np-cards"))


def _card(model: Model) -> Markup:
    head = element("header", element("h3", model.name) + _badge(model))
    facts = join(
        element("div", element("dt", label) + element("dd", value)) for label, value in _facts(model)
    )
    body = (
        element("p", model.summary) + element("dl", facts) + (Markup() if model.is_served else _ways(model))
    )
    return element("article", head + element("code", model.id) + body, class_="np-card")


def _badge(model: Model) -> Markup:
    if model.is_served:
        return element("span", strings.SERVED, class_="np-badge np-badge-here")
    return element("span", strings.NEEDS_MORE, class_="np-badge")


def _ways(model: Model) -> Markup:
    rows = ((strings.CARD_NEEDS, model.needs), (strings.CARD_OBTAIN, model.obtain))
    pairs = join(
        element("div", element("dt", label) + element("dd", value)) for label, value in rows if value
    )
    return element("dl", pairs, class_="np-ways")


def _facts(model: Model) -> Iterator[tuple[str, str]]:
    yield strings.CARD_SIZES, ", ".join(_size(size) for size in model.sizes)
    yield strings.CARD_PRECISIONS, ", ".join(model.precisions)
    yield strings.CARD_DECODES, ", ".join(model.decodes)
    if model.context:
        yield strings.CARD_CONTEXT, strings.CARD_TOKENS.format(number=f"{model.context:,}")
    for label, value in (
        (strings.CARD_ARCHITECTURE, model.architecture),
        (strings.CARD_LICENSE, model.license),
        (strings.CARD_RELEASED, model.released),
        (strings.CARD_ENGINE, model.engine or ""),
    ):
        if value:
            yield label, value
    yield from limits(model)


def _size(size: Size) -> str:
    """`30b (31.6B, 3.2B active)`, with only the numbers that are published."""
    numbers = [_count(size.total_parameters)] if size.total_parameters else []
    if size.active_parameters and size.active_parameters != size.total_parameters:
        numbers.append(strings.CARD_ACTIVE.format(number=_count(size.active_parameters)))
    return f"{size.name} ({', '.join(numbers)})" if numbers else size.name


def _count(number: int) -> str:
    """`134M`, `31.6B`: a parameter count as people say it."""
    if number < 10**9:
        return f"{number / 10**6:.0f}M"
    return f"{number / 10**9:.1f}".removesuffix(".0") + "B"
