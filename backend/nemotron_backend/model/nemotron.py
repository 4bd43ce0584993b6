"""How does a folder of a dense Nemotron become networks?

The network is a Llama with other norms, another feed-forward layer, and heads that are turned in part.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor
from torch.nn import functional as F

from nemotron_backend.model.dense_layer import FeedForward, Norm
from nemotron_backend.model.design import Design
from nemotron_backend.model.load import LlamaCheckpoint
from nemotron_backend.model.nemotron_config import read_config
from nemotron_backend.model.precision import make_linear
from nemotron_backend.model.reward_config import RewardHead
from nemotron_backend.model.weights import Weights
from nemotron_backend.request import Precision
from nemotron_kernels.quantised_linear import Linear


@dataclass(frozen=True, slots=True)
class LayerNorm1P:
    """A Norm by mean and variance. Checkpoints store by how much its weight differs from one."""

    weight: Tensor
    bias: Tensor
    epsilon: float

    @property
    def num_bytes(self) -> int:
        return self.weight.nbytes + self.bias.nbytes

    def __call__(self, hidden: Tensor) -> Tensor:
        return F.layer_norm(hidden, self.weight.shape, self.weight, self.bias, self.epsilon)


@dataclass(frozen=True, slots=True)
class SquaredRelu:
    """A FeedForward without a gate: down(relu(up(x))^2)."""

    up: Linear
    down: Linear

    @property
    def num_bytes(self) -> int:
        return self.up.num_bytes + self.down.num_bytes

    def __call__(self, normed: Tensor) -> Tensor:
        return self.down(self.up(normed).relu_().square_())


def _norm(tensors: Sequence[Tensor], epsilon: float) -> Norm:
    stored, bias = tensors
    return LayerNorm1P(stored + 1, bias, epsilon)


def _mlp(weights: Sequence[Tensor], precision: Precision) -> FeedForward:
    up, down = weights
    return SquaredRelu(make_linear([up], precision), make_linear([down], precision))


_DESIGN = Design(norm_tensors=("weight", "bias"), mlp_maps=("up", "down"), norm=_norm, mlp=_mlp)


def open_checkpoint(folder: Path, reward: RewardHead | None = None) -> LlamaCheckpoint:
    """The checkpoint. Raises CheckpointError."""
    return LlamaCheckpoint(read_config(folder), Weights.open(folder), replace(_DESIGN, reward=reward))
