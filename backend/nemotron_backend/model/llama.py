"""How does a dense Llama-type network turn tokens into logits?"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from nemotron_backend.model.attention import Attention
from nemotron_backend.model.cache import KeyValueCache
from nemotron_backend.model.config import LlamaConfig
from nemotron_backend.model.network import Batch
from nemotron_backend.model.rotary import frequencies, rotate_, rotation
from nemotron_kernels.quantised_linear import Linear


@dataclass(frozen=True, slots=True, kw_only=True)
class Norms:
    """The two RMS norms of a layer, float32 [hidden]."""

    attention: Tensor
    mlp: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What every precision of a checkpoint has in common."""

    embedding: Tensor
    layers: tuple[Norms, ...]
    norm: Tensor
    head: Linear


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The linear maps of one layer: queries, keys and values at once, gate and up at once."""

    qkv: Linear
    output: Linear
    gate_up: Linear
    down: Linear

    @property
    def num_bytes(self) -> int:
        return sum(linear.num_bytes for linear in (self.qkv, self.output, self.gate_up, self.down))


class Llama:
    """A Network with float32 activations."""

    def __init__(self, config: LlamaConfig, shared: Shared, layers: Sequence[Layer]) -> None:
        self._config = config
        self._shared = shared
        self._layers = tuple(layers)
        self._frequencies = frequencies(config)
        self._norm_shape = (config.hidden_size,)

    @property
    def vocab_size(self) -> int:
        return self._config.vocab_size

    @property
    def context(self) -> int:
        """How many tokens a sequence may have."""
        return self._config.context

    @property
    def cache_bytes_per_token(self) -> int:
        config = self._config
        return config.num_layers * 2 * config.num_kv_heads * config.head_dim * torch.float32.itemsize

    @property
    def num_bytes(self) -> int:
        return sum(layer.num_bytes for layer in self._layers)

    def make_cache(self, capacity: int) -> list[KeyValueCache]:
        config = self._config
        return [
            KeyValueCache(config.num_kv_heads, config.head_dim, capacity) for _ in range(config.num_layers)
        ]

    @torch.inference_mode()
    def forward(self, batch: Batch) -> Tensor:
        hidden = F.embedding(batch.token_ids, self._shared.embedding).float()
        turn = rotation(batch.positions, self._frequencies)
        attention = Attention(batch.segments, self._config)
        for index, (layer, norms) in enumerate(zip(self._layers, self._shared.layers, strict=True)):
            hidden += self._attend(index, self._norm(hidden, norms.attention), turn, attention)
            hidden += _swiglu(layer, self._norm(hidden, norms.mlp))
        return self._shared.head(self._norm(hidden[batch.logit_rows], self._shared.norm))

    def _attend(self, index: int, normed: Tensor, turn: Tensor, attention: Attention) -> Tensor:
        config, layer = self._config, self._layers[index]
        heads = layer.qkv(normed).view(len(normed), -1, config.head_dim)
        num_turned = config.num_heads + config.num_kv_heads
        rotate_(heads[:, :num_turned], turn)
        return layer.output(attention.run(index, heads))

    def _norm(self, hidden: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(hidden, self._norm_shape, weight, self._config.norm_epsilon)


def _swiglu(layer: Layer, normed: Tensor) -> Tensor:
    gate, up = layer.gate_up(normed).chunk(2, dim=-1)
    return layer.down(F.silu(gate).mul_(up))
