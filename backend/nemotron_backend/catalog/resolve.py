"""Which variant does a request mean?"""

import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib import resources

import msgspec

from nemotron_backend.catalog.entry import Model
from nemotron_backend.request import DECODES, PRECISIONS, Variant


class UnknownModel(Exception):
    """No entry of the catalog has this id or alias."""


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


_FIELDS = ("size", "precision", "decode")


class Catalog:
    """Every model of the family, looked up by id or alias."""

    def __init__(self, models: Iterable[Model]) -> None:
        self.models = tuple(models)
        self._by_name = {name: model for model in self.models for name in (model.id, *model.aliases)}

    @classmethod
    def read(cls) -> "Catalog":
        """The catalog that ships with the package."""
        folder = resources.files(__package__)
        files = sorted(
            (file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda f: f.name
        )
        tables = (table for file in files for table in tomllib.loads(file.read_text("utf-8"))["model"])
        return cls(msgspec.convert(table, Model) for table in tables)

    def find(self, name: str) -> Model:
        """The entry of this id or alias. Raises UnknownModel."""
        if name not in self._by_name:
            raise UnknownModel(f"no model is called {name!r}; GET /v1/models lists all")
        return self._by_name[name]

    def resolve(self, knobs: Knobs, served: Collection[Variant]) -> Variant:
        """The one served variant that the knobs mean.

        Where a knob is left open, the first served value decides. `served` is in order of preference.
        Raises UnknownModel, ModelNotServed, UnavailableKnob.
        """
        name, *suffixes = knobs.model.split(":")
        model = self.find(name)
        candidates = [variant for variant in served if variant.model == model.id]
        if not candidates:
            raise ModelNotServed(f"{model.id} is not served here. {model.needs} {model.obtain}")
        for field, value in _asked(model, suffixes, knobs).items():
            candidates = _narrow(candidates, field, value)
        return candidates[0]


def _asked(model: Model, suffixes: list[str], knobs: Knobs) -> dict[str, str]:
    asked = {field: value for field in _FIELDS if (value := getattr(knobs, field)) is not None}
    for suffix in suffixes:
        field = _field_of(model, suffix)
        if asked.get(field, suffix) != suffix:
            message = f"the model id asks for {field} {suffix!r}, the field for {asked[field]!r}; ask once"
            raise UnavailableKnob(field, asked[field], (suffix,), message)
        asked[field] = suffix
    return asked


def _field_of(model: Model, suffix: str) -> str:
    if suffix in PRECISIONS:
        return "precision"
    if suffix in DECODES:
        return "decode"
    sizes = tuple(size.name for size in model.sizes)
    if suffix in sizes:
        return "size"
    possible = (*sizes, *model.precisions, *model.decodes)
    message = (
        f"{suffix!r} is no size, precision or decode mode of {model.id}; possible: {', '.join(possible)}"
    )
    raise UnavailableKnob("model", suffix, possible, message)


def _narrow(candidates: list[Variant], field: str, value: str) -> list[Variant]:
    matching = [variant for variant in candidates if getattr(variant, field) == value]
    if matching:
        return matching
    possible = tuple(dict.fromkeys(str(getattr(variant, field)) for variant in candidates))
    fixed = candidates[0]
    message = f"{fixed.model} has no {field} {value!r} here; possible: {', '.join(possible)}"
    raise UnavailableKnob(field, value, possible, message)
