"""What is a layer of a dense network made of?"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor
from torch.nn import functional as F

from nemotron_kernels.quantised_linear import Linear


class Norm(Protocol):
    """What brings the numbers of each token to one scale."""

    @property
    def num_bytes(self) -> int: ...

    def __call__(self, hidden: Tensor) -> Tensor: ...


class FeedForward(Protocol):
    """What a layer makes of each token alone."""

    @property
    def num_bytes(self) -> int: ...

    def __call__(self, normed: Tensor) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class RmsNorm:
    """Llama's Norm; the weight is float32 [hidden]."""

    weight: Tensor
    epsilon: float

    @property
    def num_bytes(self) -> int:
        return self.weight.nbytes

    def __call__(self, hidden: Tensor) -> Tensor:
        return F.rms_norm(hidden, self.weight.shape, self.weight, self.epsilon)


@dataclass(frozen=True, slots=True)
class SwiGlu:
    """Llama's FeedForward, with gate and up at once."""

    gate_up: Linear
    down: Linear

    @property
    def num_bytes(self) -> int:
        return self.gate_up.num_bytes + self.down.num_bytes

    def __call__(self, normed: Tensor) -> Tensor:
        gate, up = self.gate_up(normed).chunk(2, dim=-1)
        return self.down(F.silu(gate).mul_(up))


@dataclass(frozen=True, slots=True, kw_only=True)
class Norms:
    """The two norms of a layer."""

    attention: Norm
    mlp: Norm


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The linear maps of one layer, with queries, keys and values at once."""

    qkv: Linear
    output: Linear
    mlp: FeedForward

    @property
    def num_bytes(self) -> int:
        return self.qkv.num_bytes + self.output.num_bytes + self.mlp.num_bytes
