"""How does a dense Llama-type network turn tokens into logits?"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from nemotron_backend.model.attention import Attention
from nemotron_backend.model.cache import KeyValueCache
from nemotron_backend.model.config import LlamaConfig
from nemotron_backend.model.dense_layer import Layer, Norm, Norms
from nemotron_backend.model.native_layers import native_layers, runs
from nemotron_backend.model.network import Batch, Masking
from nemotron_backend.model.rotary import frequencies, query_scale, rotate_, rotation
from nemotron_kernels.quantised_linear import Linear


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What every precision of a checkpoint has in common."""

    embedding: Tensor
    layers: tuple[Norms, ...]
    norm: Norm
    head: Linear

    @property
    def num_bytes(self) -> int:
        norms = [self.norm, *(norm for layer in self.layers for norm in (layer.attention, layer.mlp))]
        return self.embedding.nbytes + self.head.num_bytes + sum(norm.num_bytes for norm in norms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A map of low rank that is added to a layer's attention output."""

    down: Linear
    up: Linear

    @property
    def num_bytes(self) -> int:
        return self.down.num_bytes + self.up.num_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafting:
    """What lets the network fill in masks, with one correction a layer for drafts, or none at all.

    `mask` [hidden] is the mask's embedding where the vocabulary has none; its id is then the next one.
    """

    masking: Masking
    corrections: tuple[Correction, ...] = ()
    mask: Tensor | None = None


class Llama:
    """A Network with float32 activations. Its sequences cost nothing but keys and values.

    One that can draft must say of several tokens at once what it says of each alone, to the last bit.
    """

    def __init__(
        self, config: LlamaConfig, shared: Shared, layers: Sequence[Layer], drafting: Drafting | None = None
    ) -> None:
        self._config = config
        self._shared = shared
        self._layers = tuple(layers)
        self._drafting = drafting
        self.cache_bytes_per_sequence = 0
        self.cache_shape = (config.num_layers, config.num_kv_heads, config.head_dim)
        self._frequencies = frequencies(config)
        self._native = native_layers(config, shared.layers, self._layers)

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
        corrections = self._drafting.corrections if self._drafting else ()
        layers = sum(layer.num_bytes for layer in self._layers)
        return layers + sum(correction.num_bytes for correction in corrections)

    @property
    def masking(self) -> Masking | None:
        return self._drafting.masking if self._drafting else None

    @property
    def predictor(self) -> None:
        return None

    def make_cache(self, capacity: int) -> list[KeyValueCache]:
        config = self._config
        return [
            KeyValueCache(config.num_kv_heads, config.head_dim, capacity) for _ in range(config.num_layers)
        ]

    @torch.inference_mode()
    def forward(self, batch: Batch) -> Tensor:
        hidden = F.embedding(batch.token_ids, self._shared.embedding).float()
        turn = rotation(batch.positions, self._frequencies)
        scale = query_scale(batch.positions, self._config.query_scaling)
        corrections = self._drafting.corrections if self._drafting and batch.is_draft else ()
        if self._native is not None and not corrections:
            self._native(hidden, runs(batch.segments), turn, scale)
        else:
            self._pass(hidden, batch, (turn, scale), corrections)
        return self._shared.head(self._shared.norm(hidden[batch.logit_rows]))

    def _pass(
        self,
        hidden: Tensor,
        batch: Batch,
        rotary: tuple[Tensor, Tensor | None],
        corrections: Sequence[Correction],
    ) -> None:
        """All layers, one operation after another."""
        attention = Attention(batch.segments, self._config, is_row_invariant=self._drafting is not None)
        for index, (layer, norms) in enumerate(zip(self._layers, self._shared.layers, strict=True)):
            heads = self._heads(layer, norms.attention(hidden), *rotary)
            attended = attention.run(index, heads)
            hidden += layer.output(attended)
            if corrections:
                hidden += corrections[index].up(corrections[index].down(attended))
            hidden += layer.mlp(norms.mlp(hidden))

    def _heads(self, layer: Layer, normed: Tensor, turn: Tensor, scale: Tensor | None) -> Tensor:
        config = self._config
        heads = layer.qkv(normed).view(len(normed), -1, config.head_dim)
        rotate_(heads[:, : config.num_heads + config.num_kv_heads, : config.rotary_dim], turn)
        if scale is not None:
            heads[:, : config.num_heads] *= scale
        return heads
