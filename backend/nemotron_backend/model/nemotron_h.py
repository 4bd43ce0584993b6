"""How does a hybrid network turn tokens into logits?"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from nemotron_backend.model.inventory import EMBEDDING, HEAD, NORM
from nemotron_backend.model.nemotron_h_config import NemotronHConfig
from nemotron_backend.model.nemotron_h_mtp import PredictionBlock
from nemotron_backend.model.network import Ahead, Batch, LayerCache, Masking, Predictor
from nemotron_backend.model.parts import Parts
from nemotron_backend.model.prediction_cache import PredictionCache
from nemotron_backend.model.stack import Stack


class NemotronH:
    """A Network with float32 activations, whole or nested: the parts decide which.

    `num_bytes` is what no other network shares: 0 for views of a checkpoint's parts. One with a `block`
    that predicts must say of several tokens at once what it says of each alone, to the last bit.
    """

    def __init__(
        self,
        config: NemotronHConfig,
        parts: Parts,
        num_bytes: int = 0,
        block: PredictionBlock | None = None,
    ) -> None:
        self.config = config
        self.num_bytes = num_bytes
        self._embedding = parts.tensors[EMBEDDING]
        self._stack = Stack(config, parts, is_row_invariant=block is not None)
        self._norm = parts.tensors[NORM]
        self._head = parts.linears[HEAD]
        self._block = block

    @property
    def vocab_size(self) -> int:
        return self.config.vocab_size

    @property
    def masking(self) -> Masking | None:
        return None

    @property
    def context(self) -> int:
        """How many tokens a sequence may have."""
        return self.config.max_position_embeddings

    @property
    def cache_bytes_per_token(self) -> int:
        """Only attention grows with the sequence; see `cache_bytes_per_sequence` for the rest."""
        keys_and_values = 2 * self.config.num_kv_heads * self.config.head_dim * torch.float32.itemsize
        own = len(self._stack.attending) * keys_and_values
        return own + (0 if self._block is None else self._block.cache_bytes_per_token)

    @property
    def cache_bytes_per_sequence(self) -> int:
        """What a sequence costs however short it is: its states."""
        keys_and_values = 2 * self.config.num_kv_heads * self.config.head_dim * torch.float32.itemsize
        empty = sum(cache.num_bytes for cache in self._stack.make_cache(0))
        return empty - len(self._stack.attending) * keys_and_values

    @property
    def cache_shape(self) -> tuple[int, ...]:
        """States have a part for each Mamba head, a block that predicts has a cache of its own.

        Keys and values do not depend on the nested sizes.
        """
        heads = self.config.mamba_num_heads if "mamba" in self.config.layers else 0
        return (heads, 0 if self._block is None else 1)

    @property
    def predictor(self) -> Predictor | None:
        return None if self._block is None else self

    def make_cache(self, capacity: int) -> list[LayerCache]:
        layers = self._stack.make_cache(capacity)
        return layers if self._block is None else [*layers, self._block.make_cache(capacity)]

    @torch.inference_mode()
    def forward(self, batch: Batch) -> Tensor:
        hidden = F.embedding(batch.token_ids, self._embedding).float()
        hidden = self._stack.run(hidden, batch.segments)
        if self._block is not None and any(segment.is_followed for segment in batch.segments):
            hidden = self._stack.norm(hidden, self._norm)
            self._block.follow(batch, hidden)
            return self._head(hidden[batch.logit_rows])
        return self._head(self._stack.norm(hidden[batch.logit_rows], self._norm))

    @property
    def cost_of_step(self) -> float:
        """By the number of layers, the head counted as one."""
        return (len(self.config.prediction_layers) + 1) / (len(self.config.layers) + 1)

    def can_predict(self, cache: Sequence[LayerCache]) -> bool:
        own = cache[-1]
        return isinstance(own, PredictionCache) and own.num_unread > 0

    @torch.inference_mode()
    def predict(self, aheads: Sequence[Ahead]) -> Tensor:
        assert self._block is not None, "only a network that has a predictor is asked to predict"
        return self._head(self._block.predict(aheads))
