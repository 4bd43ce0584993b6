"""Which variant does a request mean?"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib import resources

from nemotron_backend.catalog import files
from nemotron_backend.catalog.entry import Model
from nemotron_backend.request import DECODES, PRECISIONS, Variant

_FIELDS = ("size", "precision", "decode")


class UnknownModel(Exception):
    """No entry of the catalog has this id, alias or repository."""


class ModelNotServed(Exception):
    """The model exists, but no engine here serves it; the message says what it needs."""


class UnavailableKnob(Exception):
    """`field` was given a `value` that the model does not have here; `possible` lists what it has."""

    def __init__(self, field: str, value: str, possible: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.field = field
        self.value = value
        self.possible = possible


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """What a caller asked for. `model` may carry suffixes (`name:12b:nvfp4`); None leaves it open."""

    model: str
    size: str | None = None
    precision: str | None = None
    decode: str | None = None


class Catalog:
    """Every model of the family, looked up by id, alias or repository."""

    def __init__(self, models: Iterable[Model]) -> None:
        self.models = tuple(models)
        self._by_name = _by_name(self.models)

    @classmethod
    def read(cls) -> "Catalog":
        """The catalog that ships with the package. Raises InvalidCatalog."""
        return cls(files.read(resources.files("nemotron_backend.catalog")))

    def find(self, name: str) -> Model:
        """The entry of this id, alias or repository. Raises UnknownModel."""
        if name not in self._by_name:
            raise UnknownModel(f"no model is called {name!r}; GET /v1/models lists all")
        return self._by_name[name]

    def resolve(self, knobs: Knobs, served: Collection[Variant]) -> Variant:
        """The one served variant that the knobs mean.

        Suffixes of the model id come in any order. Where a knob is left open, the precision of a named
        repository and then the first served value decide; `served` is in order of preference.
        Raises UnknownModel, ModelNotServed, UnavailableKnob.
        """
        name, *suffixes = knobs.model.split(":")
        model = self.find(name)
        asked = _asked(model, suffixes, knobs)
        if precision := _precision_of(model, name):
            asked.setdefault("precision", precision)
        candidates = [variant for variant in served if variant.model == model.id]
        if not candidates:
            raise ModelNotServed(f"{model.id} is not served here. {model.needs} {model.obtain}")
        for place, field in enumerate(_FIELDS):
            if field in asked:
                settled = [asked[earlier] for earlier in _FIELDS[:place] if earlier in asked]
                candidates = _narrow(candidates, settled, field, asked[field])
        return candidates[0]


def _by_name(models: Sequence[Model]) -> dict[str, Model]:
    by_name: dict[str, Model] = {}
    for model in models:
        for name in model.names:
            if ":" in name:
                raise files.InvalidCatalog(f"model {model.id}: {name!r} has a colon, which starts a suffix")
            if name in by_name:
                raise files.InvalidCatalog(f"model {model.id}: {name!r} already names {by_name[name].id}")
            by_name[name] = model
    return by_name


def _asked(model: Model, suffixes: Sequence[str], knobs: Knobs) -> dict[str, str]:
    asked = {field: value for field in _FIELDS if (value := getattr(knobs, field)) is not None}
    for suffix in suffixes:
        field = _field_of(model, suffix)
        if asked.setdefault(field, suffix) != suffix:
            message = f"{field} is asked for twice, as {asked[field]!r} and as {suffix!r}; ask once"
            raise UnavailableKnob(field, asked[field], (suffix,), message)
    return asked


def _field_of(model: Model, suffix: str) -> str:
    """Which knob a suffix sets: precisions, decode modes and sizes never share a word."""
    if suffix in PRECISIONS:
        return "precision"
    if suffix in DECODES:
        return "decode"
    sizes = tuple(size.name for size in model.sizes)
    if all(size in sizes for size in suffix.split("+")):
        return "size"
    possible = (*sizes, *model.precisions, *model.decodes)
    message = (
        f"{suffix!r} is no size, precision or decode mode of {model.id}; possible: {', '.join(possible)}"
    )
    raise UnavailableKnob("model", suffix, possible, message)


def _precision_of(model: Model, name: str) -> str | None:
    """The precision that a repository's name stands for; a caller may still ask for another."""
    if name in (model.id, *model.aliases):
        return None
    return next(checkpoint.precision for checkpoint in model.checkpoints if checkpoint.repository == name)


def _narrow(candidates: list[Variant], settled: Sequence[str], field: str, value: str) -> list[Variant]:
    matching = [variant for variant in candidates if getattr(variant, field) == value]
    if matching:
        return matching
    possible = tuple(dict.fromkeys(str(getattr(variant, field)) for variant in candidates))
    whole = ":".join((candidates[0].model, *settled))
    message = f"{whole} has no {field} {value!r} here; possible: {', '.join(possible)}"
    raise UnavailableKnob(field, value, possible, message)
