"""What does a model's card say of the speed that a GPU could reach?"""

from collections.abc import Iterable, Iterator

from nemotron_app.ui import strings
from nemotron_app.ui.capabilities import Floor, Model

_CARD = "H100"


def limits(model: Model) -> Iterator[tuple[str, str]]:
    """One fact for the first size that has floors: one request, then many together."""
    own = [floor for floor in model.floors if floor.card == _CARD and floor.size == model.floors[0].size]
    if not own:
        return
    batches = sorted({floor.batch for floor in own})
    text = strings.CARD_LIMIT_OF_ONE.format(rates=_rates(own, batches[0]))
    for batch in batches[1:]:
        text += strings.CARD_LIMIT_OF_MANY.format(rates=_rates(own, batch), batch=batch)
    yield strings.CARD_LIMIT.format(card=_CARD), text + strings.CARD_LIMIT_SOURCE


def _rates(floors: Iterable[Floor], batch: int) -> str:
    return ", ".join(
        f"{_name(floor)} {floor.tokens_per_second:,.0f}" for floor in floors if floor.batch == batch
    )


def _name(floor: Floor) -> str:
    """`nvfp4`, `bf16 diffusion`: decoding from left to right goes without saying."""
    return floor.precision if floor.decode == "autoregressive" else f"{floor.precision} {floor.decode}"
