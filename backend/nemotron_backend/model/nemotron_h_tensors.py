"""Are the tensors of a nemotron_h folder those that its config calls for?"""

from pathlib import Path

from torch import Tensor

from nemotron_backend.model.elastic import OffGrid
from nemotron_backend.model.errors import MissingTensor, UnknownTensor, WrongType
from nemotron_backend.model.inventory import Shape, canonical, inventory, is_linear, is_set_aside
from nemotron_backend.model.modelopt import Quantisation, read_quantisation
from nemotron_backend.model.nemotron_h_config import NemotronHConfig, read_nemotron_h_config
from nemotron_backend.model.stored_weight import (
    DTYPES,
    INPUT_SCALE,
    SCALES,
    StoredWeight,
    from_tensors,
    quantise,
    stored_shapes,
)
from nemotron_backend.model.weights import Weights
from nemotron_backend.request import Precision

_REMEDY = "Take config.json and weights from the same checkpoint."


class NemotronHTensors:
    """Config, quantisation and tensors of one folder; all names have been checked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config: NemotronHConfig = read_nemotron_h_config(folder)
        self.quantisation: Quantisation = read_quantisation(folder)
        self.shapes = inventory(self.config)
        self._weights = Weights.open(folder)
        self._actual = {canonical(name): name for name in self._weights}
        self._check_names()

    @property
    def set_aside(self) -> list[str]:
        """Tensors that are known and no part of the network."""
        return [name for name in self._actual if is_set_aside(name)]

    def tensor(self, name: str) -> Tensor:
        """A tensor that no precision touches, as stored."""
        if name not in self.shapes:
            return self._weights.read_any(name)
        return self._weights.read(self._actual[name], *self.shapes[name])

    def beside(self, name: str, shape: Shape) -> Tensor:
        """A plain tensor that is set aside. Raises MissingTensor, WrongShape, WrongType."""
        tensor = self._weights.read(name, *shape)
        self._check_type(name, tensor, "bf16")
        return tensor

    def stored(self, name: str) -> StoredWeight:
        """A linear weight as stored. Raises WrongType where its dtype is not the config's."""
        precision = self.quantisation.of(module(name))
        out, width = self.shapes[name]
        shapes = stored_shapes((out, width), precision)
        stem = module(self._actual[name]) + "."
        if stem + INPUT_SCALE in self._weights:
            shapes[INPUT_SCALE] = ()
        tensors = {part: self._weights.read_any(stem + part) for part in shapes}
        self._check_type(name, tensors["weight"], precision)
        for part, shape in shapes.items():
            self._weights.expect(stem + part, tensors[part], *shape)
        return from_tensors(tensors, precision)

    def quantised(self, name: str, wanted: Quantisation) -> StoredWeight:
        """A linear weight in the wanted precision, rounded to it if it is stored plainly."""
        stored, precision = self.stored(name), wanted.of(module(name))
        if not isinstance(stored.content, Tensor):
            return stored
        try:
            return quantise(stored.content, precision)
        except ValueError as error:
            file = self._weights.file_of(self._actual[name])
            raise OffGrid(file, f"tensor {name}: {error}", "Choose FP8 or BF16.") from error

    def _check_names(self) -> None:
        for name in self.shapes:
            if name not in self._actual:
                raise MissingTensor(self.folder, f"tensor {name} is missing", _REMEDY)
        linear = {module(name) for name in self.shapes if is_linear(name)}
        for name, actual in self._actual.items():
            stem, _, part = name.rpartition(".")
            is_scale = stem in linear and part in (*SCALES["nvfp4"], INPUT_SCALE)
            if not (name in self.shapes or is_scale or is_set_aside(name)):
                problem = f"tensor {actual} has no place in the network that the config describes"
                raise UnknownTensor(self._weights.file_of(actual), problem, _REMEDY)

    def _check_type(self, name: str, weight: Tensor, precision: Precision) -> None:
        if weight.dtype not in DTYPES[precision]:
            file = self._weights.file_of(self._actual[name])
            problem = f"tensor {name} is {weight.dtype}, the quantisation config calls for {precision}"
            raise WrongType(file, problem, _REMEDY)


def module(name: str) -> str:
    """The module whose weight this is."""
    return name.removesuffix(".weight")
