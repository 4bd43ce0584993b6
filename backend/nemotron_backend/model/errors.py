"""How can a checkpoint be unusable?

CheckpointError             names the file, what is wrong with it, and the remedy
├── UnsupportedConfig       config.json describes a network that is not built here
├── UnreadableFile          a file is missing, cut short or not what its name says
├── MissingTensor           the weights lack a tensor that the config calls for
├── UnknownTensor           the weights hold a tensor that the config does not call for
├── WrongShape              a tensor contradicts the config
├── WrongType               a tensor is not in the precision that the config names
└── NotFinite               a tensor holds NaN or infinity
"""

from pathlib import Path


class CheckpointError(Exception):
    """Root of all that loading a checkpoint may raise."""

    def __init__(self, file: Path, problem: str, remedy: str) -> None:
        super().__init__(f"{file}: {problem}. {remedy}")
        self.file = file
        self.problem = problem
        self.remedy = remedy


class UnsupportedConfig(CheckpointError):
    """The config describes a network that is not built here."""


class UnreadableFile(CheckpointError):
    """A file is missing, cut short or not what its name says."""


class MissingTensor(CheckpointError):
    """The weights lack a tensor that the config calls for."""


class UnknownTensor(CheckpointError):
    """The weights hold a tensor that the config does not call for."""


class WrongShape(CheckpointError):
    """A tensor contradicts the config."""


class WrongType(CheckpointError):
    """A tensor is not in the precision that the config names."""


class NotFinite(CheckpointError):
    """A tensor holds NaN or infinity."""
