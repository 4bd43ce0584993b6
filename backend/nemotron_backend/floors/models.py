"""Which limits does a card of the catalog show?"""

from collections.abc import Iterator
from dataclasses import dataclass

from nemotron_backend.catalog.entry import Model, Size
from nemotron_backend.floors.call import Load
from nemotron_backend.floors.card import CARDS
from nemotron_backend.floors.step import step_of
from nemotron_backend.request import Decode, Precision

BATCHES = (1, 64)
BLOCK = 32
"""Tokens of a block, as the published tri-mode models have them."""

# Smaller networks stay in a GPU's caches, so that the memory's bandwidth is no limit to them.
_SMALLEST = 10**9

# Linear self-speculation drafts and verifies: two forwards for the tokens of one cycle.
_FORWARDS: dict[Decode, int] = {"diffusion": 1, "self-speculation": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFloor:
    """The least time of one forward on a card, and the most tokens per second over the batch."""

    size: str
    precision: Precision
    decode: Decode
    card: str
    batch: int
    milliseconds: float
    tokens_per_second: float


def floors_of(model: Model) -> tuple[ModelFloor, ...]:
    """At 4096 tokens of context; nothing for sizes whose dimensions are not known, or that draw no tokens."""
    if model.kind == "reward":
        return ()
    large = [size for size in model.sizes if size.total_parameters >= _SMALLEST]
    return tuple(floor for size in large for floor in _of_size(model, size))


def _of_size(model: Model, size: Size) -> Iterator[ModelFloor]:
    for precision in model.precisions:
        for batch in BATCHES:
            yield from _floors(size, "autoregressive", Load(precision=precision, batch=batch), 1)
        for decode in model.decodes:
            tokens = tokens_per_forward(model, decode)
            if tokens:
                yield from _floors(size, decode, Load(precision=precision, tokens=BLOCK), tokens)


def _floors(size: Size, decode: Decode, load: Load, tokens_per_forward: float) -> Iterator[ModelFloor]:
    if size.dimensions is None:
        return
    step = step_of(size.dimensions, load)
    for card in CARDS:
        yield ModelFloor(
            size=size.name,
            precision=load.precision,
            decode=decode,
            card=card.name,
            batch=load.batch,
            milliseconds=1000 * step.seconds(card),
            tokens_per_second=step.tokens_per_second(card, tokens_per_forward),
        )


def tokens_per_forward(model: Model, decode: Decode) -> float:
    """As published; the figure of self-speculation is read as that of a cycle. 0 where there is none."""
    published = (
        figure.value
        for figure in model.figures
        if figure.name == "tokens per forward" and figure.setting == decode
    )
    return next(published, 0.0) / _FORWARDS.get(decode, 1)
