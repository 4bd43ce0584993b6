"""How far is each model of an engine?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from nemotron_backend.embedded.messages import Ready
from nemotron_backend.embedded.options import ModelOptions
from nemotron_backend.embedded.tokenization import Tokenization
from nemotron_backend.engine import EngineFailed, EngineStarting, EngineState, ModelStatus
from nemotron_backend.request import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model that answers: what it is, and how its prompts are read."""

    ready: Ready
    tokenization: Tokenization


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One model; `served` stays through a restart, since a checkpoint reads its prompts as before."""

    variants: tuple[Variant, ...]
    state: EngineState
    progress: str
    served: ServedModel | None = None


class Roster:
    """The state of every model, in order of preference."""

    def __init__(self, models: Iterable[ModelOptions], progress: str) -> None:
        self._entries: dict[str, _Entry] = {
            options.model: _Entry(variants=options.variants, state="starting", progress=progress)
            for options in models
        }

    def __contains__(self, model: str) -> bool:
        return model in self._entries

    @property
    def variants(self) -> tuple[Variant, ...]:
        """What is offered: by the checkpoints that are open, and what is expected of the others."""
        return tuple(variant for entry in self._entries.values() for variant in entry.variants)

    @property
    def models(self) -> tuple[ModelStatus, ...]:
        """How each does."""
        return tuple(
            ModelStatus(model=name, state=entry.state, progress=entry.progress)
            for name, entry in self._entries.items()
        )

    @property
    def state(self) -> EngineState:
        """The best of all: one that answers is enough to be ready."""
        states = {entry.state for entry in self._entries.values()}
        order: tuple[EngineState, ...] = ("ready", "starting", "failed")
        return next(state for state in order if state in states)

    @property
    def progress(self) -> str:
        """A sentence on all that do not answer."""
        absent = {name: entry for name, entry in self._entries.items() if entry.state != "ready"}
        return _sentence(absent, is_alone=len(self._entries) == 1) if absent else "ready"

    def served(self, model: str) -> ServedModel:
        """The model, if it answers. Raises EngineStarting, EngineFailed."""
        entry = self._entries[model]
        if entry.state == "failed":
            raise EngineFailed(entry.progress)
        if entry.state == "starting" or entry.served is None:
            raise EngineStarting(_sentence({model: entry}, is_alone=len(self._entries) == 1))
        return entry.served

    def tokenization(self, model: str) -> Tokenization:
        """How the model reads prompts, also while its process starts again. Raises as `served`."""
        entry = self._entries[model]
        return entry.served.tokenization if entry.served else self.served(model).tokenization

    def report(self, model: str, progress: str) -> None:
        """A model on its way is this far."""
        self._change(model, progress=progress)

    def serve(self, served: ServedModel) -> None:
        """A model answers from now on."""
        ready = served.ready
        self._change(ready.model, variants=ready.variants, state="ready", progress="ready", served=served)

    def fail(self, model: str, reason: str) -> None:
        """A model will not answer."""
        self._change(model, state="failed", progress=reason)

    def end(self, state: EngineState, progress: str) -> None:
        """None answers any more; those that failed for good keep their reasons."""
        for name, entry in self._entries.items():
            if state == "starting" or entry.state != "failed":
                self._change(name, state=state, progress=progress)

    def _change(self, model: str, **changes: object) -> None:
        self._entries[model] = replace(self._entries[model], **changes)  # type: ignore[arg-type]


def _sentence(entries: Mapping[str, _Entry], *, is_alone: bool) -> str:
    """What several say alike is said once; a reason for failure names its model itself."""
    said: dict[str, list[str]] = {}
    for name, entry in entries.items():
        said.setdefault(entry.progress, []).append(name)
    have_names = {entry.progress for entry in entries.values() if entry.state == "failed"}
    return "; ".join(
        sentence if is_alone or sentence in have_names else f"{', '.join(names)}: {sentence}"
        for sentence, names in said.items()
    )
