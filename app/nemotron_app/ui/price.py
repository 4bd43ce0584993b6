"""What does a token of the chosen variant cost its caller?"""

from collections.abc import Mapping

from nemotron_app.ui import strings
from nemotron_app.ui.capabilities import FIELDS, PAIR, Field, Model
from nemotron_app.ui.markup import element
from nemotron_app.ui.recipe import Thinking


def price(model: Model, chosen: Mapping[Field, str], thinking: Thinking | None = None) -> str:
    """A sentence under the knobs; none where the server tells no prices."""
    knobs = dict(chosen)
    if thinking and thinking.is_on and thinking.size in model.thinking_sizes(chosen):
        knobs["size"] = f"{thinking.size}{PAIR}{chosen['size']}"
    weight = model.weights.get(":".join((model.id, *(knobs[field] for field in FIELDS))))
    if weight is None:
        return ""
    sentence = strings.PRICE.format(weight=f"{weight:g}")
    return str(element("p", sentence, class_="np-price", title=strings.PRICE_MEANING))
