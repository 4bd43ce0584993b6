"""Which engines serve, and which of them answers a request?"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import replace
from typing import Literal

from nemotron_backend.echo import EchoEngine
from nemotron_backend.embedded.engine import EmbeddedEngine
from nemotron_backend.embedded.options import EmbeddedOptions
from nemotron_backend.engine import Engine, EngineState, EngineStatus, ModelStatus, UnknownVariant
from nemotron_backend.request import Delta, GenerationRequest, Prompt, Variant

EngineName = Literal["embedded", "echo"]


async def create_engine(names: Sequence[EngineName], embedded: EmbeddedOptions) -> Engine:
    """The named engines behind one face; they load in the background, `status` says how far they are."""
    engines = [_create(name, embedded) for name in names]
    return engines[0] if len(engines) == 1 else RoutedEngine(engines)


def _create(name: EngineName, options: EmbeddedOptions) -> Engine:
    match name:
        case "echo":
            return EchoEngine()
        case "embedded":
            engine = EmbeddedEngine(options)
            engine.start()
            return engine


class RoutedEngine:
    """Several engines as one: a variant goes to the first engine that serves it at the time."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = tuple(engines)

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        serving = (engine for engine in self._engines if request.variant in engine.variants())
        engine = next(serving, None)
        if engine is None:
            raise UnknownVariant(f"no engine here serves {request.variant}")
        deltas = engine.stream(request)
        try:
            async for delta in deltas:
                yield delta
        finally:
            await deltas.aclose()

    async def tokenize(self, model: str, prompt: Prompt) -> tuple[int, ...]:
        return await self._of_model(model).tokenize(model, prompt)

    async def detokenize(self, model: str, token_ids: tuple[int, ...]) -> str:
        return await self._of_model(model).detokenize(model, token_ids)

    def variants(self) -> tuple[Variant, ...]:
        return tuple(dict.fromkeys(v for engine in self._engines for v in engine.variants()))

    def status(self) -> EngineStatus:
        parts = [engine.status() for engine in self._engines]
        return EngineStatus(
            name="+".join(part.name for part in parts),
            state=_together(parts),
            progress="; ".join(f"{part.name}: {part.progress}" for part in parts),
            num_running=sum(part.num_running for part in parts),
            num_waiting=sum(part.num_waiting for part in parts),
            cache_used_bytes=sum(part.cache_used_bytes for part in parts),
            cache_limit_bytes=sum(part.cache_limit_bytes for part in parts),
            resident=tuple(model for part in parts for model in part.resident),
            models=tuple(model for engine in self._engines for model in _models(engine)),
        )

    async def aclose(self) -> None:
        for engine in self._engines:
            await engine.aclose()

    def _of_model(self, model: str) -> Engine:
        for engine in self._engines:
            if any(variant.model == model for variant in engine.variants()):
                return engine
        raise UnknownVariant(f"no engine here serves {model}")


def _together(parts: Sequence[EngineStatus]) -> EngineState:
    """Starting while any is; after that one that answers is enough, since the others take nothing from it."""
    states = {part.state for part in parts}
    order: tuple[EngineState, ...] = ("starting", "ready", "failed")
    return next(state for state in order if state in states)


def _models(engine: Engine) -> Iterator[ModelStatus]:
    """How each model of an engine does; as all of it does, where it does not tell them apart."""
    status = engine.status()
    served = engine.variants()
    names = dict.fromkeys(variant.model for variant in served)
    whole = [ModelStatus(model=name, state=status.state, progress=status.progress) for name in names]
    for model in status.models or whole:
        own = tuple(variant for variant in served if variant.model == model.model)
        yield replace(model, engine=model.engine or status.name, variants=own)
