"""Which values of a knob can be chosen, and why not the others?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nemotron_app.ui import strings
from nemotron_app.ui.capabilities import FIELDS, Field, Model, every_value

Chosen = Mapping[Field, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A value of a knob, and its name where that is another word.

    `reason` says why it cannot be chosen, unless that is said of the whole model.
    """

    value: str
    label: str = ""
    is_offered: bool = True
    reason: str = ""

    @property
    def name(self) -> str:
        return self.label or self.value


def settle(model: Model, wanted: Chosen) -> dict[Field, str]:
    """The served variant nearest to what is wanted; the knobs give way from the last to the first.

    For a model that is not served, the first value it was published with.
    """
    candidates = list(model.served())
    if not candidates:
        return {field: model.published(field)[0] for field in FIELDS}
    for field in FIELDS:
        matching = [knobs for knobs in candidates if knobs[field] == wanted.get(field)]
        candidates = matching or candidates
    return candidates[0]


def choices_of(models: Iterable[Model], model: Model, chosen: Chosen) -> dict[Field, tuple[Choice, ...]]:
    """Every value of every knob, given what is chosen."""
    catalog = tuple(models)
    return {
        field: tuple(_choice(model, field, value, chosen) for value in _shown(catalog, model, field))
        for field in FIELDS
    }


def _shown(models: Iterable[Model], model: Model, field: Field) -> tuple[str, ...]:
    """Sizes are each model's own; precisions and decode modes are the same words for all of them."""
    return model.published("size") if field == "size" else every_value(models, field)


def _choice(model: Model, field: Field, value: str, chosen: Chosen) -> Choice:
    reason = _reason(model, field, value, chosen)
    return Choice(value=value, is_offered=model.is_served and not reason, reason=reason)


def _reason(model: Model, field: Field, value: str, chosen: Chosen) -> str:
    if value not in model.published(field):
        return strings.NOT_PUBLISHED[field].format(model=model.name)
    if not model.is_served:
        return ""
    served = [knobs for knobs in model.served() if knobs[field] == value]
    if not served:
        return strings.NOT_SERVED
    earlier = FIELDS[: FIELDS.index(field)]
    for other in earlier:
        if not any(knobs[other] == chosen[other] for knobs in served):
            return strings.NOT_TOGETHER.format(other=strings.KNOB_NAMES[other].lower(), value=chosen[other])
        served = [knobs for knobs in served if knobs[other] == chosen[other]]
    return ""
