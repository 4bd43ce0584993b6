"""What does a token of the chosen variant cost its caller?"""

from collections.abc import Mapping

from nemotron_app.ui import strings
from nemotron_app.ui.capabilities import FIELDS, Field, Model
from nemotron_app.ui.markup import element


def price(model: Model, chosen: Mapping[Field, str]) -> str:
    """A sentence under the knobs; none where the server tells no prices."""
    variant = ":".join((model.id, *(chosen[field] for field in FIELDS)))
    weight = model.weights.get(variant)
    if weight is None:
        return ""
    sentence = strings.PRICE.format(weight=f"{weight:g}")
    return str(element("p", sentence, class_="np-price", title=strings.PRICE_MEANING))
