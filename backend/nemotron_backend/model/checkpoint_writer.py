"""How is a checkpoint folder written whole or not at all?

Tensors go into shards as they come, so memory holds one shard; the folder gets its name at the end.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

SHARD_BYTES = 4 * 2**30
_INDEX = "model.safetensors.index.json"
_OWN = ("config.json", "hf_quant_config.json")
# Weights in other forms, which would be those of the source; an index of shards goes with its weights.
_WEIGHTS = (".safetensors", ".bin", ".gguf", ".pt", ".pth", ".part", ".index.json")


class CheckpointWriter:
    """A folder in the making; leave the `with` block without an error and it is there."""

    def __init__(self, out: Path, shard_bytes: int = SHARD_BYTES) -> None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise FileExistsError(f"{out} is not an empty folder; name another one")
        self._out = out
        self._shard_bytes = shard_bytes
        self._waiting: dict[str, Tensor] = {}
        self._shards: list[list[str]] = []
        self._num_bytes = 0

    def __enter__(self) -> "CheckpointWriter":
        self._out.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = TemporaryDirectory(dir=self._out.parent, prefix=f".{self._out.name}-")
        self._folder = Path(self._temporary.name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._finish()
        self._temporary.cleanup()

    def add(self, tensors: Mapping[str, Tensor]) -> None:
        """Write these tensors, sooner or later."""
        for name, tensor in tensors.items():
            self._waiting[name] = tensor.contiguous().clone()
            self._num_bytes += tensor.nbytes
        if sum(tensor.nbytes for tensor in self._waiting.values()) >= self._shard_bytes:
            self._flush()

    def add_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file."""
        (self._folder / name).write_text(json.dumps(content, indent=2) + "\n")

    def copy_rest(self, source: Path) -> None:
        """Take the tokenizer, the chat template and whatever else is neither weights nor config."""
        for file in _rest(source.iterdir()):
            shutil.copy2(file, self._folder / file.name)

    def _flush(self) -> None:
        save_file(self._waiting, self._shard(len(self._shards)), metadata={"format": "pt"})
        self._shards.append(list(self._waiting))
        self._waiting = {}

    def _finish(self) -> None:
        if self._waiting:
            self._flush()
        weight_map: dict[str, str] = {}
        for index, names in enumerate(self._shards):
            file = f"model-{index + 1:05}-of-{len(self._shards):05}.safetensors"
            target = "model.safetensors" if len(self._shards) == 1 else file
            self._shard(index).rename(self._folder / target)
            weight_map |= dict.fromkeys(names, target)
        if len(self._shards) > 1:
            self.add_json(_INDEX, {"metadata": {"total_size": self._num_bytes}, "weight_map": weight_map})
        self._out.mkdir(exist_ok=True)
        for file_path in self._folder.iterdir():
            file_path.rename(self._out / file_path.name)

    def _shard(self, index: int) -> Path:
        return self._folder / f"shard-{index}.safetensors"


def _rest(files: Iterable[Path]) -> list[Path]:
    return [f for f in files if f.is_file() and not f.name.endswith(_WEIGHTS) and f.name not in _OWN]
