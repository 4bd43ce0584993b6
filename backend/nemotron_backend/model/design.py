"""In what do families of dense decoders differ, and how do their checkpoints spell it?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from nemotron_backend.model.dense_layer import FeedForward, Norm, RmsNorm, SwiGlu
from nemotron_backend.model.precision import make_linear
from nemotron_backend.model.reward_config import RewardHead
from nemotron_backend.request import Precision


def _rms_norm(tensors: Sequence[Tensor], epsilon: float) -> Norm:
    (weight,) = tensors
    return RmsNorm(weight, epsilon)


def _swiglu(weights: Sequence[Tensor], precision: Precision) -> FeedForward:
    *gate_up, down = weights
    return SwiGlu(make_linear(gate_up, precision), make_linear([down], precision))


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Llama's, or another.

    `norm` is made of its `norm_tensors` in float32, `mlp` of the weights of its `mlp_maps`, of which the
    last leads back to the hidden width. A `reward` head takes the place of the head for words.
    """

    trunk: str = "model"
    head: str = "lm_head"
    norm_tensors: tuple[str, ...] = ("weight",)
    mlp_maps: tuple[str, ...] = ("gate", "up", "down")
    norm: Callable[[Sequence[Tensor], float], Norm] = _rms_norm
    mlp: Callable[[Sequence[Tensor], Precision], FeedForward] = _swiglu
    reward: RewardHead | None = None

    @property
    def attributes(self) -> tuple[str, ...]:
        """What is scored in place of words."""
        return self.reward.attributes if self.reward else ()
