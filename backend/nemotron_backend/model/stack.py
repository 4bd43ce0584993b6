"""How do rows of tokens pass through the layers of a hybrid network?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from nemotron_backend.model.attention import Attention
from nemotron_backend.model.experts import ExpertsMixer, MlpMixer
from nemotron_backend.model.inventory import prefix
from nemotron_backend.model.mamba import MambaMixer
from nemotron_backend.model.mixer import AttentionMixer, Mixer, Pass
from nemotron_backend.model.nemotron_h_config import NemotronHConfig
from nemotron_backend.model.network import LayerCache, Segment
from nemotron_backend.model.parts import Parts
from nemotron_kernels.rms_norm import rms_norm


@dataclass(frozen=True, slots=True)
class _Layer:
    norm: Tensor
    mixer: Mixer


class Stack:
    """The layers that a config names, between embedding and last norm.

    Where it `is_row_invariant`, a token's result does not depend on how many others came with it.
    """

    def __init__(self, config: NemotronHConfig, parts: Parts, *, is_row_invariant: bool = False) -> None:
        self._config = config
        self._is_row_invariant = is_row_invariant
        self._layers = tuple(
            _Layer(parts.tensors[f"backbone.layers.{index}.norm.weight"], _mixer(config, parts, index))
            for index in range(len(config.layers))
        )
        self.attending = [index for index, kind in enumerate(config.layers) if kind == "attention"]

    def make_cache(self, capacity: int) -> list[LayerCache]:
        """An empty cache, one object a layer."""
        return [layer.mixer.make_cache(capacity) for layer in self._layers]

    def run(self, hidden: Tensor, segments: Sequence[Segment]) -> Tensor:
        """Rows [tokens, hidden] to rows, and every segment's cache extended by its tokens."""
        forward = Pass(segments, self._plan(segments), self._is_row_invariant)
        for layer in self._layers:
            hidden = hidden + layer.mixer(self.norm(hidden, layer.norm), forward)
        return hidden

    def norm(self, hidden: Tensor, weight: Tensor) -> Tensor:
        """The norm of this network, with the weight of one of its places."""
        return rms_norm(hidden, weight, self._config.layer_norm_epsilon)

    def _plan(self, segments: Sequence[Segment]) -> Attention | None:
        if not self.attending:
            return None
        own = [replace(segment, cache=[segment.cache[i] for i in self.attending]) for segment in segments]
        return Attention(own, self._config, is_row_invariant=self._is_row_invariant)


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
