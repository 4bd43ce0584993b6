"""What can the server's models do, as `GET /v1/models` tells it?

Fields that are not named here are ignored, so that the page goes on working with a newer server.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

Field = Literal["size", "precision", "decode"]
FIELDS: tuple[Field, ...] = ("size", "precision", "decode")
# `4m+6m` thinks with 4m and answers with 6m.
PAIR = "+"


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Size(_Seen):
    """One network that a checkpoint holds; 0 parameters where the number is unpublished."""

    name: str
    total_parameters: int = 0
    active_parameters: int = 0


class Recommended(_Seen):
    """Sampling that the model's publisher advises."""

    temperature: float
    top_p: float
    max_tokens: int
    source: str


class Reasoning(_Seen):
    """How thinking is switched, and whether it is on when nothing is said."""

    switch: str
    default: bool


class Floor(_Seen):
    """The most tokens per second that a GPU could reach, calculated from what it must read and compute."""

    size: str
    precision: str
    decode: str
    card: str
    batch: int
    tokens_per_second: float


class Model(_Seen):
    """One model of the catalog; `variants` are those that an engine here serves, and may be none.

    `weights` tells what a token of each counts for in the limits.
    """

    id: str
    name: str
    family: str = ""
    summary: str = ""
    kind: str = "chat"
    architecture: str = ""
    license: str = ""
    released: str = ""
    context: int = 0
    sizes: tuple[Size, ...]
    precisions: tuple[str, ...]
    decodes: tuple[str, ...]
    sampling: Recommended
    reasoning: Reasoning | None = None
    tools: bool = False
    needs: str = ""
    obtain: str = ""
    engine: str | None = None
    variants: tuple[str, ...] = ()
    weights: Mapping[str, float] = {}
    floors: tuple[Floor, ...] = ()

    @property
    def is_served(self) -> bool:
        return bool(self.variants)

    def published(self, field: Field) -> tuple[str, ...]:
        """Every value of a knob that the model was released with."""
        if field == "size":
            return tuple(size.name for size in self.sizes)
        return self.precisions if field == "precision" else self.decodes

    def served(self) -> tuple[dict[Field, str], ...]:
        """The knobs of every variant of one size that is served here, in the server's order of preference."""
        return tuple(knobs for knobs in self._served() if PAIR not in knobs["size"])

    def thinking_sizes(self, chosen: Mapping[Field, str]) -> tuple[str, ...]:
        """The other sizes that can think before the chosen variant answers."""
        pairs = (knobs for knobs in self._served() if PAIR in knobs["size"])
        return tuple(
            knobs["size"].partition(PAIR)[0]
            for knobs in pairs
            if {**knobs, "size": knobs["size"].partition(PAIR)[2]} == chosen
        )

    @property
    def has_pairs(self) -> bool:
        """Whether any size can think for another."""
        return any(PAIR in knobs["size"] for knobs in self._served())

    def _served(self) -> tuple[dict[Field, str], ...]:
        return tuple(dict(zip(FIELDS, variant.split(":")[1:], strict=True)) for variant in self.variants)


def talking(models: Iterable[Model]) -> tuple[Model, ...]:
    """Those that answer; reward models only judge."""
    return tuple(model for model in models if model.kind != "reward")


def find(models: Iterable[Model], model_id: str | None) -> Model | None:
    """The model of this id, if there is one."""
    return next((model for model in models if model.id == model_id), None)


_LIST = TypeAdapter(tuple[Model, ...])


def parse_models(answer: Mapping[str, Any]) -> tuple[Model, ...]:
    """The models in an answer of `GET /v1/models`; those that are served come first."""
    models = _LIST.validate_python(answer["data"])
    return tuple(sorted(models, key=lambda model: not model.is_served))


def every_value(models: Iterable[Model], field: Field) -> tuple[str, ...]:
    """Each value of a knob that any of the models has, in order of first appearance."""
    return tuple(dict.fromkeys(value for model in models for value in model.published(field)))
