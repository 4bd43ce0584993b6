"""How does a folder become networks?

A checkpoint is opened once. Embeddings, norms and the head stay bfloat16 in every precision and are
shared; the linear maps of the layers are made for each precision that is asked for.
"""

from pathlib import Path

import torch
from torch import Tensor

from nemotron_backend.model.config import LlamaConfig, read_config
from nemotron_backend.model.llama import Layer, Llama, Norms, Shared
from nemotron_backend.model.precision import make_linear
from nemotron_backend.model.rotary import pair
from nemotron_backend.model.weights import Weights
from nemotron_backend.request import Precision


def load_network(folder: Path, precision: Precision) -> Llama:
    """The network of a Hugging Face format folder in one precision. Raises CheckpointError."""
    return Checkpoint.open(folder).network(precision)


class Checkpoint:
    """The weights of one folder, from which every precision is made."""

    def __init__(self, config: LlamaConfig, weights: Weights, shared: Shared) -> None:
        self.config = config
        self._weights = weights
        self._shared = shared

    @classmethod
    def open(cls, folder: Path) -> "Checkpoint":
        """Read the config and what all precisions share. Raises CheckpointError."""
        config = read_config(folder)
        weights = Weights.open(folder)
        return cls(config, weights, _read_shared(config, weights))

    @property
    def num_shared_bytes(self) -> int:
        """Bytes of the weights that all precisions use together."""
        shared = self._shared
        norms = [shared.norm, *(norm for pair in shared.layers for norm in (pair.attention, pair.mlp))]
        return shared.embedding.nbytes + shared.head.num_bytes + sum(norm.nbytes for norm in norms)

    def network(self, precision: Precision) -> Llama:
        """A network in this precision. Raises CheckpointError."""
        layers = [self._layer(index, precision) for index in range(self.config.num_layers)]
        return Llama(self.config, self._shared, layers)

    def _layer(self, index: int, precision: Precision) -> Layer:
        config = self.config
        hidden, inner = config.hidden_size, config.intermediate_size
        queries = config.num_heads * config.head_dim
        keys = config.num_kv_heads * config.head_dim

        def read(name: str, *shape: int) -> Tensor:
            return self._weights.read(f"model.layers.{index}.{name}_proj.weight", *shape)

        qkv = [
            pair(read("self_attn.q", queries, hidden), config.head_dim),
            pair(read("self_attn.k", keys, hidden), config.head_dim),
            read("self_attn.v", keys, hidden),
        ]
        return Layer(
            qkv=make_linear(qkv, precision),
            output=make_linear([read("self_attn.o", hidden, queries)], precision),
            gate_up=make_linear([read("mlp.gate", inner, hidden), read("mlp.up", inner, hidden)], precision),
            down=make_linear([read("mlp.down", hidden, inner)], precision),
        )


def _read_shared(config: LlamaConfig, weights: Weights) -> Shared:
    hidden, vocabulary = config.hidden_size, config.vocab_size
    embedding = weights.read("model.embed_tokens.weight", vocabulary, hidden).to(torch.bfloat16)
    head = embedding if config.is_tied else weights.read("lm_head.weight", vocabulary, hidden)

    def norm(name: str) -> Tensor:
        return weights.read(f"{name}.weight", hidden).float()

    return Shared(
        embedding=embedding,
        layers=tuple(
            Norms(
                attention=norm(f"model.layers.{index}.input_layernorm"),
                mlp=norm(f"model.layers.{index}.post_attention_layernorm"),
            )
            for index in range(config.num_layers)
        ),
        norm=norm("model.norm"),
        head=make_linear([head], "bf16"),
    )
