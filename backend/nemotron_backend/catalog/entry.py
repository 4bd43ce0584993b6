"""What is known of one model?"""

from dataclasses import dataclass
from typing import Literal

from nemotron_backend.catalog.dimensions import Dimensions
from nemotron_backend.request import DECODES, PRECISIONS, Decode, Precision

Kind = Literal["chat", "completion", "reward"]
Format = Literal["huggingface", "nemo"]
ToolSyntax = Literal["qwen3_coder", "toolcall", "llama3_json"]
Fallback = Literal["nemotron3", "nemotron3-ultra", "steerlm", "steerlm-reward", "llama3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One network that a checkpoint holds.

    Where `dimensions` are known the counts follow from them exactly; elsewhere they are rounded as
    published, and 0 where nothing is.
    """

    name: str
    total_parameters: int
    active_parameters: int
    dimensions: Dimensions | None = None

    def __post_init__(self) -> None:
        if self.name in (*PRECISIONS, *DECODES) or "+" in self.name or ":" in self.name:
            raise ValueError(
                f"a size cannot be called {self.name!r}: in a model id it would mean another knob"
            )
        if self.dimensions is None:
            return
        recorded = (self.total_parameters, self.active_parameters)
        computed = (self.dimensions.total_parameters, self.dimensions.active_parameters)
        if recorded != computed:
            raise ValueError(
                f"size {self.name!r} records {recorded} parameters, its dimensions give {computed}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Where the weights of one precision are published; the repository is a name of the model too."""

    repository: str
    precision: Precision
    format: Format = "huggingface"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendedSampling:
    """What the publisher advises; `source` says where, `when` for what if not for everything."""

    temperature: float
    top_p: float
    max_tokens: int
    source: str
    when: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoning:
    """How thinking is switched, and whether it is on when nothing is said.

    `switch`, `budget` and `effort` are the names of request fields; empty means that there is none.
    """

    switch: str
    default: bool
    budget: str = ""
    effort: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A published measurement, as its source reports it; nothing here was measured by this project."""

    name: str
    setting: str
    value: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One entry of the catalog, with the facts as published.

    `context` is what the configuration serves, `context_claimed` what the publisher says it can reach.
    `tools` names the form in which it writes calls of functions, empty where it makes none. `template` tells
    how conversations are written, `fallback` which template of this project does it where a checkpoint has
    none, and `stops` what begins the next turn, for models without a token that ends one.
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
    context_claimed: int = 0
    sampling: RecommendedSampling
    further_sampling: tuple[RecommendedSampling, ...] = ()
    reasoning: Reasoning | None = None
    tools: Literal[""] | ToolSyntax = ""
    template: str
    fallback: Literal[""] | Fallback = ""
    stops: tuple[str, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    figures: tuple[Figure, ...] = ()
    needs: str
    obtain: str
    unverified: tuple[str, ...]

    def __post_init__(self) -> None:
        size_names = [size.name for size in self.sizes]
        if not (self.sizes and self.precisions and self.decodes):
            raise ValueError("a model has at least one size, one precision and one decode mode")
        if len(set(size_names)) < len(size_names):
            raise ValueError(f"a size is named twice: {', '.join(size_names)}")
        if stray := {checkpoint.precision for checkpoint in self.checkpoints} - set(self.precisions):
            raise ValueError(f"a checkpoint has a precision the model lacks: {', '.join(sorted(stray))}")

    @property
    def names(self) -> tuple[str, ...]:
        """Everything a caller may call it: id, aliases, repositories."""
        repositories = (checkpoint.repository for checkpoint in self.checkpoints)
        return tuple(dict.fromkeys((self.id, *self.aliases, *repositories)))
