"""Which variant does a body mean?"""

from dataclasses import replace
from typing import Protocol

from nemotron_app.errors import BadRequest
from nemotron_app.wire.fields import NvExt
from nemotron_backend.catalog import Catalog, Knobs, ModelNotServed, UnavailableKnob
from nemotron_backend.engine import Engine, EngineFailed, EngineStarting, Lack
from nemotron_backend.request import Variant


class Named(Protocol):
    """A body that names a model, and its knobs."""

    @property
    def model(self) -> str: ...

    @property
    def nvext(self) -> NvExt | None: ...


def resolve(body: Named, catalog: Catalog, engine: Engine) -> Variant:
    """The served variant of the body's model and knobs. Raises what the catalog raises, and BadRequest."""
    knobs = _knobs(body.model, body.nvext or NvExt())
    served = engine.variants()
    try:
        variant = catalog.resolve(knobs, served)
        return _with_thinking(variant, body.nvext, catalog, served)
    except ModelNotServed:
        _blame_the_engine(engine)
        raise
    except UnavailableKnob as error:
        raise _named_as_sent(error, knobs) from error


def lacks_for(variant: Variant, engine: Engine) -> tuple[Lack, ...]:
    """What the engine that serves a variant cannot do for it; of several it is the first."""
    own = (status for status in engine.status().models if status.model == variant.model)
    return next((status.lacks for status in own if variant in (status.variants or (variant,))), ())


def _knobs(model: str, nvext: NvExt) -> Knobs:
    return Knobs(
        model=model,
        size=_one(nvext, "size", "elastic_size"),
        precision=nvext.precision,
        decode=_one(nvext, "decode", "decode_mode"),
    )


def _one(nvext: NvExt, name: str, alias: str) -> str | None:
    value, other = getattr(nvext, name), getattr(nvext, alias)
    if value is not None and other is not None and value != other:
        message = f"nvext.{name} and nvext.{alias} mean the same and differ; send one"
        raise BadRequest(message, param=f"nvext.{alias}")
    chosen: str | None = other if value is None else value
    return chosen


def _with_thinking(
    variant: Variant, nvext: NvExt | None, catalog: Catalog, served: tuple[Variant, ...]
) -> Variant:
    """The variant that thinks with another size, written `23b+30b`."""
    thinking = nvext.thinking_size if nvext else None
    if thinking is None or thinking == variant.size:
        return variant
    size = f"{thinking}+{variant.size}"
    if (wanted := replace(variant, size=size)) in served:
        return wanted
    possible = tuple(v.size.partition("+")[0] for v in served if v.size.endswith(f"+{variant.size}"))
    possible = tuple(dict.fromkeys((*possible, variant.size)))
    message = (
        f"{variant.model} cannot think with size {thinking!r} here and answer with {variant.size!r}; "
        f"possible: {', '.join(possible)}"
    )
    raise UnavailableKnob("thinking_size", thinking, possible, message)


def _blame_the_engine(engine: Engine) -> None:
    """An engine that has not started serves nothing, which is no fault of the model's name."""
    status = engine.status()
    if status.state == "starting":
        raise EngineStarting(status.progress)
    if status.state == "failed":
        raise EngineFailed(status.progress)


def _named_as_sent(error: UnavailableKnob, knobs: Knobs) -> UnavailableKnob:
    """The error, with the model id as its field where a suffix of it set the knob."""
    if error.field in {"model", "thinking_size"} or getattr(knobs, error.field) is not None:
        return error
    return UnavailableKnob("model", error.value, error.possible, str(error))
