"""How is a model described?"""

from collections.abc import Sequence
from typing import Literal

from typing_extensions import TypedDict

from nemotron_app.limits import Tier, price_list
from nemotron_app.wire.floors import FloorAnswer, describe_floors
from nemotron_app.wire.lacks import LackAnswer, lacks_of
from nemotron_backend.catalog import Catalog, Model
from nemotron_backend.engine import EngineState, EngineStatus, ModelStatus
from nemotron_backend.request import Variant


class SizeAnswer(TypedDict):
    """One network that the checkpoint holds; 0 parameters where unpublished."""

    name: str
    total_parameters: int
    active_parameters: int


class SamplingAnswer(TypedDict):
    """What the publisher advises; `source` says where."""

    temperature: float
    top_p: float
    max_tokens: int
    source: str


class ReasoningAnswer(TypedDict):
    """How thinking is switched, and whether it is on when nothing is said."""

    switch: str
    default: bool


class RepositoryAnswer(TypedDict):
    """Where the weights of one precision are published."""

    repository: str
    precision: str


class ModelAnswer(TypedDict):
    """One model with its capability matrix. `variants` are what answers here, best first, `lacks` what the
    model cannot do, and `weights` what a token of each weighs in the limits of tokens. `state` says whether
    it answers now, `progress` what it waits for or why it failed; both are null where it is not served.

    `context` stands under the names that OpenRouter's and vLLM's clients read as well, and `kind` as
    `model_type`, where NVIDIA's look.
    """

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    name: str
    summary: str
    kind: str
    model_type: str
    family: str
    architecture: str
    license: str
    released: str
    aliases: list[str]
    sizes: list[SizeAnswer]
    precisions: list[str]
    decodes: list[str]
    context: int
    context_length: int
    max_model_len: int
    sampling: SamplingAnswer
    reasoning: ReasoningAnswer | None
    tools: bool
    repositories: list[RepositoryAnswer]
    served: bool
    variants: list[str]
    weights: dict[str, float]
    lacks: list[LackAnswer]
    engine: str | None
    state: EngineState | None
    progress: str | None
    needs: str
    obtain: str
    unverified: list[str]
    floors: list[FloorAnswer]


class TierAnswer(TypedDict):
    """What callers of a tier may spend; tokens are weighted."""

    name: str
    requests_per_minute: int
    burst: int
    tokens_per_minute: int
    tokens_per_day: int
    in_flight: int


class ModelList(TypedDict):
    """Every model of the catalog, the served ones first, and what each tier may spend on them."""

    object: Literal["list"]
    data: list[ModelAnswer]
    tiers: list[TierAnswer]


def describe_tier(tier: Tier) -> TierAnswer:
    """The tier as `/v1/models` gives it."""
    return {
        "name": tier.name,
        "requests_per_minute": tier.requests_per_minute,
        "burst": tier.burst,
        "tokens_per_minute": tier.tokens_per_minute,
        "tokens_per_day": tier.tokens_per_day,
        "in_flight": tier.in_flight,
    }


def describe_model(
    model: Model, catalog: Catalog, served: Sequence[Variant], *, status: EngineStatus, created: int
) -> ModelAnswer:
    """The model as `/v1/models` gives it."""
    own = [variant for variant in served if variant.model == model.id]
    prices = price_list(own, catalog)
    variants, state = list(prices), _state(model, status) if own else None
    return {
        "id": model.id,
        "object": "model",
        "created": created,
        "owned_by": _owner(model),
        "name": model.name,
        "summary": model.summary,
        "kind": model.kind,
        "model_type": "completions" if model.kind == "completion" else model.kind,
        "family": model.family,
        "architecture": model.architecture,
        "license": model.license,
        "released": model.released,
        "aliases": list(model.aliases),
        "sizes": [_size(model, place) for place in range(len(model.sizes))],
        "precisions": list(model.precisions),
        "decodes": list(model.decodes),
        "context": model.context,
        "context_length": model.context,
        "max_model_len": model.context,
        "sampling": _sampling(model),
        "reasoning": _reasoning(model),
        "tools": bool(model.tools),
        "repositories": [{"repository": c.repository, "precision": c.precision} for c in model.checkpoints],
        "served": bool(variants),
        "variants": variants,
        "weights": prices,
        "lacks": lacks_of(model, own, state.lacks if state else ()),
        "engine": (state.engine or status.name) if state else None,
        "state": state.state if state else None,
        "progress": state.progress if state else None,
        "needs": model.needs,
        "obtain": model.obtain,
        "unverified": list(model.unverified),
        "floors": list(describe_floors(model)),
    }


def _state(model: Model, status: EngineStatus) -> ModelStatus:
    """How the model does; as its engine does, where that does not tell models apart."""
    whole = ModelStatus(model=model.id, state=status.state, progress=status.progress)
    return next((part for part in status.models if part.model == model.id), whole)


def _owner(model: Model) -> str:
    return model.checkpoints[0].repository.partition("/")[0] if model.checkpoints else "nemotron-playground"


def _size(model: Model, place: int) -> SizeAnswer:
    size = model.sizes[place]
    return {
        "name": size.name,
        "total_parameters": size.total_parameters,
        "active_parameters": size.active_parameters,
    }


def _sampling(model: Model) -> SamplingAnswer:
    advised = model.sampling
    return {
        "temperature": advised.temperature,
        "top_p": advised.top_p,
        "max_tokens": advised.max_tokens,
        "source": advised.source,
    }


def _reasoning(model: Model) -> ReasoningAnswer | None:
    if model.reasoning is None:
        return None
    return {"switch": model.reasoning.switch, "default": model.reasoning.default}
