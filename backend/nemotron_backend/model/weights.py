"""Where is a tensor of a checkpoint, and is it what the config says?"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from nemotron_backend.model.errors import MissingTensor, NotFinite, UnreadableFile, WrongShape, WrongType

_SINGLE = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_REMEDY = "Download or prepare the checkpoint again."
_PLAIN = (torch.bfloat16, torch.float16, torch.float32)


class Weights:
    """The tensors of a folder's safetensors files, read when asked for."""

    def __init__(self, file_of: dict[str, Path], folder: Path) -> None:
        self._file_of = file_of
        self.folder = folder
        # Reading a header of thousands of names takes milliseconds, so files stay open.
        self._opened: dict[Path, Any] = {
            file: safe_open(file, framework="pt") for file in set(file_of.values())
        }

    @classmethod
    def open(cls, folder: Path) -> "Weights":
        """Find every tensor, in one file or in shards. Raises UnreadableFile."""
        index = folder / _INDEX
        files = _shards(index) if index.exists() else [folder / _SINGLE]
        return cls({name: file for file in files for name in _names(file)}, folder)

    @classmethod
    def open_file(cls, file: Path) -> "Weights":
        """The tensors of one file, whatever it is called. Raises UnreadableFile."""
        return cls(dict.fromkeys(_names(file), file), file.parent)

    def __iter__(self) -> Iterator[str]:
        return iter(self._file_of)

    def file_of(self, name: str) -> Path:
        """The file that holds a tensor which is there."""
        return self._file_of[name]

    def __contains__(self, name: str) -> bool:
        return name in self._file_of

    def read(self, name: str, *shape: int) -> Tensor:
        """A tensor of this shape that no precision rounded. Raises CheckpointError."""
        tensor = self.expect(name, self.read_any(name), *shape)
        if tensor.dtype not in _PLAIN:
            problem = f"tensor {name} is {tensor.dtype}, where plain numbers are called for"
            raise WrongType(self._file_of[name], problem, "Take the checkpoint in bfloat16.")
        return tensor

    def expect(self, name: str, tensor: Tensor, *shape: int) -> Tensor:
        """The tensor that was read under this name, if it has this shape. Raises WrongShape."""
        if tuple(tensor.shape) != shape:
            problem = f"tensor {name} is {list(tensor.shape)}, the config calls for {list(shape)}"
            remedy = "Take config.json and weights from the same checkpoint."
            raise WrongShape(self._file_of[name], problem, remedy)
        return tensor

    def read_any(self, name: str) -> Tensor:
        """A tensor of whatever shape, as stored. Raises MissingTensor, NotFinite."""
        if name not in self._file_of:
            raise MissingTensor(self.folder, f"tensor {name} is missing", _REMEDY)
        file = self._file_of[name]
        tensor: Tensor = self._opened[file].get_tensor(name)
        if not _is_finite(tensor):
            raise NotFinite(file, f"tensor {name} holds NaN or infinity", _REMEDY)
        return tensor


def _is_finite(tensor: Tensor) -> bool:
    # torch has no test for E4M3 itself.
    wide = tensor.float() if tensor.dtype == torch.float8_e4m3fn else tensor
    return bool(torch.isfinite(wide).all())


def _names(file: Path) -> list[str]:
    try:
        with safe_open(file, framework="pt") as opened:
            return list(opened.keys())
    except (OSError, SafetensorError) as error:
        raise UnreadableFile(file, f"not a whole safetensors file ({error})", _REMEDY) from error


def _shards(index: Path) -> list[Path]:
    try:
        names = json.loads(index.read_bytes())["weight_map"].values()
        return [index.parent / name for name in sorted(set(names))]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise UnreadableFile(index, f"not a readable index of shards ({error})", _REMEDY) from error
