"""Which models does an engine serve, of which folders, and in which variants?"""

from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

from nemotron_backend.catalog import Catalog, Model, recognise
from nemotron_backend.embedded.options import ModelOptions
from nemotron_backend.model.elastic import sizes
from nemotron_backend.model.errors import CheckpointError
from nemotron_backend.model.nemotron_h_config import read_nemotron_h_config


def offers(given: Sequence[Path], catalog: Catalog) -> tuple[ModelOptions, ...]:
    """The given checkpoints; without any, SmolLM2 and those that ship with the program."""
    if given:
        return _unlike(offer(folder, catalog) for folder in given)
    return _unlike((ModelOptions(), *(offer(folder, catalog) for folder in shipped())))


def offer(folder: Path, catalog: Catalog) -> ModelOptions:
    """A folder's checkpoint as the model that is in it; of an unknown one only the loading can tell more."""
    model = recognise(folder, catalog)
    known = ModelOptions(checkpoint=str(folder))
    if model is None:
        return known
    return ModelOptions(
        model=model.id,
        checkpoint=str(folder),
        sizes=_sizes(folder, model),
        decodes=model.decodes,
    )


def shipped() -> tuple[Path, ...]:
    """The checkpoints that came with the program, by name."""
    folder = Path(str(resources.files("nemotron_backend"))) / "checkpoints"
    return tuple(sorted(path.parent for path in folder.glob("*/config.json")))


def _sizes(folder: Path, model: Model) -> tuple[str, ...]:
    """Those of a hybrid's config, as an extracted size has fewer than the model; else the model's."""
    if model.model_type != "nemotron_h":
        return tuple(size.name for size in model.sizes)
    try:
        return sizes(read_nemotron_h_config(folder))
    except CheckpointError:
        return tuple(size.name for size in model.sizes)  # loading it will say what is wrong


def _unlike(models: Iterable[ModelOptions]) -> tuple[ModelOptions, ...]:
    """Each model once: of two checkpoints of one model the first is served."""
    by_name: dict[str, ModelOptions] = {}
    for model in models:
        by_name.setdefault(model.model, model)
    return tuple(by_name.values())
