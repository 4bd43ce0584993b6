"""Which models are there, at a glance?"""

from collections.abc import Sequence

from nemotron_backend.catalog import Catalog, Model

_HEAD = ("model", "sizes", "precisions", "decode modes", "context")


def print_models() -> None:
    """The catalog as a table: first what runs on this machine, then what needs a GPU and which."""
    models = Catalog.read().models
    local = [model for model in models if model.family == "local"]
    gpu = [model for model in models if model.family != "local"]
    print("Runs on this machine, without a GPU\n")
    _print_table(local)
    if gpu:
        print("\nNeeds a GPU; what it takes and how to get it stands below each\n")
        _print_table(gpu)


def _print_table(models: Sequence[Model]) -> None:
    rows = [_HEAD, *(_row(model) for model in models)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    notes = ["", *(f"{model.needs} {model.obtain}" for model in models)]
    for row, note in zip(rows, notes, strict=True):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
        if note:
            print(f"    {note}")


def _row(model: Model) -> tuple[str, ...]:
    return (
        model.id,
        ", ".join(size.name for size in model.sizes),
        ", ".join(model.precisions),
        ", ".join(model.decodes),
        f"{model.context:,}",
    )
