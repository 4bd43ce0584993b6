"""Can this folder be extracted from or quantised?"""

from pathlib import Path

from nemotron_backend.model.architecture import model_type
from nemotron_backend.model.errors import UnsupportedConfig
from nemotron_backend.model.nemotron_h_tensors import NemotronHTensors

_WRITTEN = "nemotron_h"


def open_source(folder: Path, remedy: str) -> NemotronHTensors:
    """The tensors of a nemotron_h folder; of a model of another type `remedy` says what to do with it.

    Raises CheckpointError.
    """
    found = model_type(folder)
    if found not in ("", _WRITTEN):
        problem = f"model_type is {found!r}, and only {_WRITTEN!r} can be converted"
        raise UnsupportedConfig(folder / "config.json", problem, remedy)
    return NemotronHTensors(folder)
