"""How does a hybrid network turn tokens into logits?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from nemotron_backend.model.attention import Attention
from nemotron_backend.model.experts import ExpertsMixer, MlpMixer
from nemotron_backend.model.inventory import EMBEDDING, HEAD, NORM, prefix
from nemotron_backend.model.mamba import MambaMixer
from nemotron_backend.model.mixer import AttentionMixer, Mixer, Pass
from nemotron_backend.model.nemotron_h_config import NemotronHConfig
from nemotron_backend.model.network import Batch, LayerCache, Masking, Segment
from nemotron_backend.model.parts import Parts


@dataclass(frozen=True, slots=True)
class _Layer:
    norm: Tensor
    mixer: Mixer


class NemotronH:
    """A Network with float32 activations, whole or nested: the parts decide which.

    `num_bytes` is what no other network shares: 0 for views of a checkpoint's parts.
    """

    def __init__(self, config: NemotronHConfig, parts: Parts, num_bytes: int = 0) -> None:
        self.config = config
        self.num_bytes = num_bytes
        self._embedding = parts.tensors[EMBEDDING]
        self._layers = tuple(
            _Layer(parts.tensors[f"backbone.layers.{index}.norm.weight"], _mixer(config, parts, index))
            for index in range(len(config.layers))
        )
        self._attending = [index for index, kind in enumerate(config.layers) if kind == "attention"]
        self._norm = parts.tensors[NORM]
        self._head = parts.linears[HEAD]

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
        return len(self._attending) * keys_and_values

    @property
    def cache_bytes_per_sequence(self) -> int:
        """What a sequence costs however short it is: its states."""
        return sum(cache.num_bytes for cache in self.make_cache(0)) - self.cache_bytes_per_token

    @property
    def cache_shape(self) -> tuple[int, ...]:
        """States have a part for each Mamba head; keys and values do not depend on the nested sizes."""
        return (self.config.mamba_num_heads,) if "mamba" in self.config.layers else ()

    def make_cache(self, capacity: int) -> list[LayerCache]:
        return [layer.mixer.make_cache(capacity) for layer in self._layers]

    @torch.inference_mode()
    def forward(self, batch: Batch) -> Tensor:
        hidden = F.embedding(batch.token_ids, self._embedding).float()
        forward = Pass(batch.segments, self._plan(batch.segments))
        for layer in self._layers:
            hidden = hidden + layer.mixer(self._normed(hidden, layer.norm), forward)
        return self._head(self._normed(hidden[batch.logit_rows], self._norm))

    def _plan(self, segments: Sequence[Segment]) -> Attention | None:
        if not self._attending:
            return None
        own = [replace(segment, cache=[segment.cache[i] for i in self._attending]) for segment in segments]
        return Attention(own, self.config)

    def _normed(self, hidden: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(hidden, weight.shape, weight, self.config.layer_norm_epsilon)


def _mixer(config: NemotronHConfig, parts: Parts, layer: int) -> Mixer:
    match config.layers[layer]:
        case "mamba":
            return MambaMixer(config, parts, layer)
        case "attention":
            return AttentionMixer(config, parts, layer)
        case "experts":
            return ExpertsMixer(config, parts, layer)
        case "mlp":
            return MlpMixer(parts, prefix(layer))
