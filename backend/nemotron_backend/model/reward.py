"""How are hidden states mapped to scores?"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from nemotron_backend.model.config import LlamaConfig
from nemotron_backend.model.reward_config import RewardHead
from nemotron_backend.model.weights import Weights

# What a tied head is.
_EMBEDDING = "model.embed_tokens.weight"


@dataclass(frozen=True, slots=True)
class ScoreMap:
    """A Linear of few outputs, in float32, since every digit of them is told."""

    weight: Tensor
    bias: Tensor | None = None

    @property
    def num_bytes(self) -> int:
        return self.weight.nbytes + (0 if self.bias is None else self.bias.nbytes)

    def __call__(self, rows: Tensor) -> Tensor:
        return F.linear(rows, self.weight, self.bias)


def read_scores(head: RewardHead, config: LlamaConfig, weights: Weights) -> ScoreMap:
    """The map. Raises CheckpointError."""
    hidden, first = config.hidden_size, head.num_outputs - len(head.attributes)
    name, bias_name = f"{head.name}.weight", f"{head.name}.bias"
    if not head.num_outputs:
        words = weights.read(name if name in weights else _EMBEDDING, config.vocab_size, hidden)
        return ScoreMap(words[:1].float())
    weight = weights.read(name, head.num_outputs, hidden)[first:].float().contiguous()
    if bias_name not in weights:
        return ScoreMap(weight)
    return ScoreMap(weight, weights.read(bias_name, head.num_outputs)[first:].float())
