"""Which models are there, at a glance?"""

import textwrap
from collections.abc import Iterator, Sequence

from nemotron_backend.catalog import Catalog, Model

_HEAD = ("model", "sizes", "precisions", "decode modes", "context")
_WIDTH = 100


def print_models() -> None:
    """The catalog as a table: first what runs on this machine, then what needs a GPU and which."""
    models = Catalog.read().models
    here = [model for model in models if model.family == "local"]
    away = [model for model in models if model.family != "local"]
    lines = ["Runs on this machine, without a GPU", "", *_table(here)]
    if away:
        lines += ["", "Needs a GPU: which, and how to get there, stands below each", "", *_table(away)]
    print("\n".join(lines))


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
