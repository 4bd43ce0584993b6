"""How does a folder become networks?

A checkpoint is opened once. Embeddings, norms and the head stay bfloat16 in every precision and are
shared; the linear maps of the layers are made for each precision that is asked for.
"""

from pathlib import Path

import torch
from torch import Tensor

from nemotron_backend.model.adapter_folder import FOLDER
from nemotron_backend.model.checkpoint import Layout
from nemotron_backend.model.config import LlamaConfig, read_config
from nemotron_backend.model.dense_layer import Layer, Norm, Norms
from nemotron_backend.model.design import Design
from nemotron_backend.model.draft_mask import read_drafting
from nemotron_backend.model.elastic import FULL, UnknownSize
from nemotron_backend.model.llama import Drafting, Llama, Shared
from nemotron_backend.model.llama_inventory import check_names
from nemotron_backend.model.precision import make_linear
from nemotron_backend.model.reward import read_scores
from nemotron_backend.model.reward_config import RewardHead
from nemotron_backend.model.rotary import pair
from nemotron_backend.model.weights import Weights
from nemotron_backend.request import DECODES, PRECISIONS, Decode, Precision
from nemotron_kernels.quantised_linear import Linear


def load_network(folder: Path, precision: Precision) -> Llama:
    """The network of a Hugging Face format folder in one precision. Raises CheckpointError."""
    return LlamaCheckpoint.open(folder).network(FULL, precision)


class LlamaCheckpoint:
    """The weights of one folder, from which every precision of its one size is made."""

    sizes = (FULL,)
    precisions = PRECISIONS
    num_packed_bytes = 0

    def __init__(
        self, config: LlamaConfig, weights: Weights, design: Design, drafting: Drafting | None = None
    ) -> None:
        self.config = config
        self.drafting = drafting
        self._weights = weights
        self._design = design
        check_names(config, weights, design)
        self._shared = _read_shared(config, weights, design, drafting.mask if drafting else None)

    @classmethod
    def open(
        cls, folder: Path, adapter: Path | None = None, *, reward: RewardHead | None = None
    ) -> "LlamaCheckpoint":
        """Read the config and what all precisions share. Raises CheckpointError.

        The draft adapter is in `adapter`, or in the folder itself, or there is none.
        """
        config = read_config(folder)
        drafting = None if reward else read_drafting(adapter or folder / FOLDER, config)
        return cls(config, Weights.open(folder), Design(reward=reward), drafting)

    @property
    def attributes(self) -> tuple[str, ...]:
        return self._design.attributes

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
        return self._shared.num_bytes

    def network(self, size: str, precision: Precision, layout: Layout = "packed") -> Llama:
        """A network in this precision, always packed. Raises CheckpointError, UnknownSize."""
        if size not in self.sizes:
            raise UnknownSize(f"a {type(self).__name__} has the size {FULL}, not {size!r}")
        layers = [self._layer(index, precision) for index in range(self.config.num_layers)]
        return Llama(self.config, self._shared, layers, self.drafting)

    def _layer(self, index: int, precision: Precision) -> Layer:
        config, design = self.config, self._design
        hidden, inner = config.hidden_size, config.intermediate_size
        queries = config.num_heads * config.head_dim
        keys = config.num_kv_heads * config.head_dim

        def read(name: str, *shape: int) -> Tensor:
            return self._weights.read(f"{design.trunk}.layers.{index}.{name}_proj.weight", *shape)

        qkv = [
            pair(read("self_attn.q", queries, hidden), config.head_dim, config.rotary_dim),
            pair(read("self_attn.k", keys, hidden), config.head_dim, config.rotary_dim),
            read("self_attn.v", keys, hidden),
        ]
        *inward, outward = design.mlp_maps
        mlp = [
            *(read(f"mlp.{name}", inner, hidden) for name in inward),
            read(f"mlp.{outward}", hidden, inner),
        ]
        return Layer(
            qkv=make_linear(qkv, precision),
            output=make_linear([read("self_attn.o", hidden, queries)], precision),
            mlp=design.mlp(mlp, precision),
        )


def _read_shared(config: LlamaConfig, weights: Weights, design: Design, mask: Tensor | None) -> Shared:
    hidden, vocabulary, trunk = config.hidden_size, config.vocab_size, design.trunk
    embedding = weights.read(f"{trunk}.embed_tokens.weight", vocabulary, hidden).to(torch.bfloat16)

    def head() -> Linear:
        if design.reward is not None:
            return read_scores(design.reward, config, weights)
        own = None if config.is_tied else weights.read(f"{design.head}.weight", vocabulary, hidden)
        return make_linear([embedding if own is None else own], "bf16")

    def norm(name: str) -> Norm:
        tensors = [weights.read(f"{trunk}.{name}.{part}", hidden).float() for part in design.norm_tensors]
        return design.norm(tensors, config.norm_epsilon)

    return Shared(
        embedding=embedding if mask is None else torch.cat((embedding, mask[None])),
        layers=tuple(
            Norms(
                attention=norm(f"layers.{index}.input_layernorm"),
                mlp=norm(f"layers.{index}.post_attention_layernorm"),
            )
            for index in range(config.num_layers)
        ),
        norm=norm("norm"),
        head=head(),
    )
