"""Are the catalog's files sound?"""

import tomllib
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from typing import Any, TypedDict, cast

import msgspec

from nemotron_backend.catalog.entry import Model


class InvalidCatalog(Exception):
    """The catalog cannot be used; the message names the file and the entry."""


class _File(TypedDict):
    model: list[dict[str, Any]]


def read(folder: Traversable) -> tuple[Model, ...]:
    """The models of every TOML file in a folder. Raises InvalidCatalog."""
    files = [file for file in folder.iterdir() if file.name.endswith(".toml")]
    return tuple(model for file in sorted(files, key=lambda file: file.name) for model in _models(file))


def _models(file: Traversable) -> Iterator[Model]:
    try:
        tables = msgspec.convert(tomllib.loads(file.read_text("utf-8")), _File)["model"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise InvalidCatalog(f"{file.name}: {error}") from error
    for number, table in enumerate(tables, start=1):
        yield _model(table, f"{file.name}: model {table.get('id', f'number {number}')}")


def _model(table: dict[str, Any], place: str) -> Model:
    try:
        model = msgspec.convert(table, Model)
    except msgspec.ValidationError as error:
        raise InvalidCatalog(f"{place}: {error}") from error
    if stray := list(_stray(table, msgspec.to_builtins(model), ())):
        raise InvalidCatalog(f"{place}: unknown fields: {', '.join(stray)}")
    return model


def _stray(written: object, understood: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Keys of the file that no type has; msgspec passes over them in silence, which would hide a typo."""
    if isinstance(written, dict):
        for key, value in cast("dict[str, object]", written).items():
            if key in understood:
                yield from _stray(value, understood[key], (*path, key))
            else:
                yield ".".join((*path, key))
    elif isinstance(written, list):
        for value, counterpart in zip(cast("list[object]", written), understood, strict=True):
            yield from _stray(value, counterpart, path)
