"""Which models are there, at a glance?"""

import textwrap
from collections.abc import Iterator, Sequence

from nemotron_backend.catalog import Catalog, Model
from nemotron_backend.embedded.shelf import can_load, shelve

_HEAD = ("model", "sizes", "precisions", "decode modes", "context")
_WIDTH = 100


def print_models() -> None:
    """The catalog as tables: what is served without a choice, what a folder may hold, what needs a GPU."""
    catalog = Catalog.read()
    served = {options.model for options in shelve((), catalog).models}
    here = [model for model in catalog.models if model.id in served or model.model_type == "echo"]
    loadable = [model for model in catalog.models if model not in here and can_load(model)]
    away = [model for model in catalog.models if model not in here and model not in loadable]
    tables = {
        "Runs on this machine, without a GPU": here,
        "Loads with --checkpoint FOLDER, where the memory holds its weights; a GPU is not used yet": loadable,
        "Needs a GPU: which, and how to get there, stands below each": away,
    }
    parts = ("\n".join((title, "", *_table(models))) for title, models in tables.items() if models)
    print("\n\n".join(parts))


def _table(models: Sequence[Model]) -> Iterator[str]:
    rows = [_row(model) for model in models]
    widths = [max(len(row[column]) for row in (_HEAD, *rows)) for column in range(len(_HEAD))]
    yield _line(_HEAD, widths)
    for model, row in zip(models, rows, strict=True):
        yield _line(row, widths)
        yield textwrap.indent(textwrap.fill(f"{model.needs} {model.obtain}", _WIDTH), "    ")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _row(model: Model) -> tuple[str, ...]:
    sizes = ", ".join(size.name for size in model.sizes)
    return model.id, sizes, ", ".join(model.precisions), ", ".join(model.decodes), f"{model.context:,}"
