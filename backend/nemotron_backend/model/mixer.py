"""What does a layer of a hybrid network do between its norm and the residual stream?

Mixer
├── MambaMixer        mamba.py              a state that every token updates
├── AttentionMixer    here                  keys and values of all tokens
├── ExpertsMixer      experts.py            each token alone, through a few experts
└── MlpMixer          experts.py            each token alone
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from nemotron_backend.model.attention import Attention
from nemotron_backend.model.cache import KeyValueCache
from nemotron_backend.model.inventory import prefix
from nemotron_backend.model.nemotron_h_config import NemotronHConfig
from nemotron_backend.model.network import LayerCache, Segment
from nemotron_backend.model.parts import Parts


@dataclass(frozen=True, slots=True)
class Pass:
    """What all layers of one forward share; `attention` is None where no layer attends.

    Where it `is_row_invariant`, a token must get the same bits alone and among others.
    """

    segments: Sequence[Segment]
    attention: Attention | None
    is_row_invariant: bool = False


class Mixer(Protocol):
    """One layer's own work."""

    def __call__(self, normed: Tensor, forward: Pass) -> Tensor:
        """Map rows [tokens, hidden] to what is added to them, and extend the segments' caches."""
        ...

    def make_cache(self, capacity: int) -> LayerCache:
        """The cache of one sequence, before its first token."""
        ...


class AttentionMixer:
    """Grouped-query attention without positions."""

    def __init__(self, config: NemotronHConfig, parts: Parts, layer: int) -> None:
        self._config = config
        self._qkv = parts.linears[f"{prefix(layer)}qkv_proj.weight"]
        self._output = parts.linears[f"{prefix(layer)}o_proj.weight"]
        self._index = config.layers[:layer].count("attention")

    def __call__(self, normed: Tensor, forward: Pass) -> Tensor:
        assert forward.attention is not None
        heads = self._qkv(normed).view(len(normed), -1, self._config.head_dim)
        return self._output(forward.attention.run(self._index, heads))

    def make_cache(self, capacity: int) -> KeyValueCache:
        return KeyValueCache(self._config.num_kv_heads, self._config.head_dim, capacity)
