"""What is known of one model?"""

from dataclasses import dataclass
from typing import Literal

from nemotron_backend.request import Decode, Precision

Kind = Literal["chat", "completion", "reward"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One network that a checkpoint holds; parameter counts are whole numbers, 0 where unpublished."""

    name: str
    total_parameters: int
    active_parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Where the weights of one precision are published."""

    repository: str
    precision: Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendedSampling:
    """What the publisher advises; `source` says where."""

    temperature: float
    top_p: float
    max_tokens: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoning:
    """How thinking is switched, and whether it is on when nothing is said."""

    switch: str
    default: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One entry of the catalog, with the facts as published.

    `needs` says which hardware serves it, `obtain` how to get there from a machine that has it;
    `unverified` lists what could not be confirmed from a primary source.
    """

    id: str
    name: str
    aliases: tuple[str, ...]
    family: str
    summary: str
    kind: Kind
    architecture: str
    model_type: str
    license: str
    released: str
    sizes: tuple[Size, ...]
    precisions: tuple[Precision, ...]
    decodes: tuple[Decode, ...]
    context: int
    sampling: RecommendedSampling
    reasoning: Reasoning | None = None
    template: str
    checkpoints: tuple[Checkpoint, ...] = ()
    needs: str
    obtain: str
    unverified: tuple[str, ...]
