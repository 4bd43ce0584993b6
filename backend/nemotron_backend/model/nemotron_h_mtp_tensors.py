"""Where are the tensors of the block that predicts further tokens?

They lie beside the network under `mtp.`, plain in every precision, and look like a network of their own
between a way in and a last norm. So they are read under the names of one.
"""

import msgspec
from torch import Tensor

from nemotron_backend.model.inventory import PREDICTION, Shape, prediction_inventory
from nemotron_backend.model.modelopt import Quantisation
from nemotron_backend.model.nemotron_h_config import NemotronHConfig
from nemotron_backend.model.nemotron_h_tensors import NemotronHTensors
from nemotron_backend.model.stored_weight import StoredWeight

TRUNK = "backbone."
EMBEDDING_NORM = f"{TRUNK}layers.0.enorm.weight"
HIDDEN_NORM = f"{TRUNK}layers.0.hnorm.weight"
ENTRANCE = f"{TRUNK}layers.0.eh_proj.weight"


def last_norm(config: NemotronHConfig) -> str:
    """The norm behind the last layer of a block whose layers are those of the config."""
    return f"{TRUNK}layers.{len(config.layers) - 1}.final_layernorm.weight"


class PredictionTensors:
    """A source of parts whose layers are those of the block."""

    def __init__(self, tensors: NemotronHTensors) -> None:
        self._tensors = tensors
        layers = tensors.config.prediction_layers
        self.config = msgspec.structs.replace(tensors.config, layers=layers, elastic_sizes={})
        self.shapes: dict[str, Shape] = {
            TRUNK + name.removeprefix(PREDICTION): shape
            for name, shape in prediction_inventory(tensors.config).items()
        }

    def tensor(self, name: str) -> Tensor:
        """A tensor as stored. Raises MissingTensor, WrongShape, WrongType."""
        return self._tensors.beside(PREDICTION + name.removeprefix(TRUNK), self.shapes[name])

    def quantised(self, name: str, wanted: Quantisation) -> StoredWeight:
        """A linear weight, which stays plain."""
        return StoredWeight(self.tensor(name))


def can_predict(tensors: NemotronHTensors) -> bool:
    """Whether the folder holds a block that the config describes; what is sliced off may leave it out."""
    described = bool(tensors.config.prediction_layers)
    return described and any(name.startswith(PREDICTION) for name in tensors.set_aside)
