"""How fast could a GPU run a model at best?"""

from functools import cache

from typing_extensions import TypedDict

from nemotron_backend.catalog import Model
from nemotron_backend.floors import floors_of


class FloorAnswer(TypedDict):
    """The least milliseconds of a forward of `batch` sequences at 4096 tokens of context, and so the most
    tokens per second over the batch: a limit of the GPU's memory and tensor cores, and no measurement.
    """

    size: str
    precision: str
    decode: str
    card: str
    batch: int
    milliseconds: float
    tokens_per_second: float


@cache
def describe_floors(model: Model) -> tuple[FloorAnswer, ...]:
    """The floors of a model of the catalog, as `/v1/models` gives them."""
    return tuple(
        FloorAnswer(
            size=floor.size,
            precision=floor.precision,
            decode=floor.decode,
            card=floor.card,
            batch=floor.batch,
            milliseconds=round(floor.milliseconds, 3),
            tokens_per_second=round(floor.tokens_per_second),
        )
        for floor in floors_of(model)
    )
