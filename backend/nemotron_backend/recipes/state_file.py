"""Where does a training stand, so that it can be stopped and started again at any time?"""

from contextlib import suppress
from pathlib import Path

import torch
from torch import nn

from nemotron_backend.recipes.optimiser import Optimiser


class StateFile:
    """Steps done, weights and optimiser, in `state.pt` of a folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "state.pt"

    def restore(self, model: nn.Module, optimiser: Optimiser) -> int:
        """Take up what is kept; the number of steps done, none without a file."""
        with suppress(FileNotFoundError):
            state = torch.load(self._file, weights_only=True)
            model.load_state_dict(state["model"])
            optimiser.restore(state["optimiser"])
            return int(state["step"])
        return 0

    def save(self, step: int, model: nn.Module, optimiser: Optimiser) -> None:
        """Written beside and renamed, so that a kill at any moment leaves one whole state."""
        part = self._file.with_suffix(".part")
        torch.save({"step": step, "model": model.state_dict(), "optimiser": optimiser.state()}, part)
        part.replace(self._file)
