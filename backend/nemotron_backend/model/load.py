"""How does a folder become networks?

A checkpoint is opened once. Embeddings, norms and the head stay bfloat16 in every precision and are
shared; the linear maps of the layers are made for each precision that is asked for.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nemotron_backend.model.adapter_folder import FOLDER
from nemotron_backend.model.checkpoint import Layout
from nemotron_backend.model.config import LlamaConfig, read_config
from nemotron_backend.model.draft_mask import read_drafting
from nemotron_backend.model.elastic import FULL, UnknownSize
from nemotron_backend.model.llama import Drafting, Layer, Llama, Norms, Shared
from nemotron_backend.model.llama_inventory import check_names
from nemotron_backend.model.precision import make_linear
from nemotron_backend.model.rotary import pair
from nemotron_backend.model.weights import Weights
from nemotron_backend.request import DECODES, PRECISIONS, Decode, Precision


def load_network(folder: Path, precision: Precision) -> Llama:
    """The network of a Hugging Face format folder in one precision. Raises CheckpointError."""
    return LlamaCheckpoint.open(folder).network(FULL, precision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a family calls the trunk and the head of the same network."""

    trunk: str = "model"
    head: str = "lm_head"


class LlamaCheckpoint:
    """The weights of one folder, from which every precision of its one size is made."""

    sizes = (FULL,)
    precisions = PRECISIONS
    num_packed_bytes = 0

    def __init__(
        self, config: LlamaConfig, weights: Weights, names: Names, drafting: Drafting | None = None
    ) -> None:
        self.config = config
        self.drafting = drafting
        self._weights = weights
        self._names = names
        check_names(config, weights, names.trunk, names.head)
        self._shared = _read_shared(config, weights, names, drafting.mask if drafting else None)

    @classmethod
    def open(cls, folder: Path, adapter: Path | None = None) -> "LlamaCheckpoint":
        """Read the config and what all precisions share. Raises CheckpointError.

        The draft adapter is in `adapter`, or in the folder itself, or there is none.
        """
        config = read_config(folder)
        drafting = read_drafting(adapter or folder / FOLDER, config)
        return cls(config, Weights.open(folder), Names(), drafting)

    @property
    def context(self) -> int:
        return self.config.context

    @property
    def vocab_size(self) -> int:
        return self.config.vocab_size

    def decodes(self, size: str) -> tuple[Decode, ...]:
        """All of them where it was taught to fill in masks, but for what an adapter was taught alone."""
        if self.drafting is None:
            return ("autoregressive",)
        return ("autoregressive", "self-speculation") if self.drafting.masking.is_for_drafts else DECODES

    @property
    def num_shared_bytes(self) -> int:
        """Bytes of the weights that all precisions use together."""
        shared = self._shared
        norms = [shared.norm, *(norm for pair in shared.layers for norm in (pair.attention, pair.mlp))]
        return shared.embedding.nbytes + shared.head.num_bytes + sum(norm.nbytes for norm in norms)

    def network(self, size: str, precision: Precision, layout: Layout = "packed") -> Llama:
        """A network in this precision, always packed. Raises CheckpointError, UnknownSize."""
        if size not in self.sizes:
            raise UnknownSize(f"a {type(self).__name__} has the size {FULL}, not {size!r}")
        layers = [self._layer(index, precision) for index in range(self.config.num_layers)]
        return Llama(self.config, self._shared, layers, self.drafting)

    def _layer(self, index: int, precision: Precision) -> Layer:
        config = self.config
        hidden, inner = config.hidden_size, config.intermediate_size
        queries = config.num_heads * config.head_dim
        keys = config.num_kv_heads * config.head_dim

        def read(name: str, *shape: int) -> Tensor:
            return self._weights.read(f"{self._names.trunk}.layers.{index}.{name}_proj.weight", *shape)

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


def _read_shared(config: LlamaConfig, weights: Weights, names: Names, mask: Tensor | None) -> Shared:
    hidden, vocabulary, trunk = config.hidden_size, config.vocab_size, names.trunk
    embedding = weights.read(f"{trunk}.embed_tokens.weight", vocabulary, hidden).to(torch.bfloat16)
    head = embedding if config.is_tied else weights.read(f"{names.head}.weight", vocabulary, hidden)

    def norm(name: str) -> Tensor:
        return weights.read(f"{name}.weight", hidden).float()

    return Shared(
        embedding=embedding if mask is None else torch.cat((embedding, mask[None])),
        layers=tuple(
            Norms(
                attention=norm(f"{trunk}.layers.{index}.input_layernorm"),
                mlp=norm(f"{trunk}.layers.{index}.post_attention_layernorm"),
            )
            for index in range(config.num_layers)
        ),
        norm=norm(f"{trunk}.norm"),
        head=make_linear([head], "bf16"),
    )
