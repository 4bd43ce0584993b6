"""What is learned, and what does the frozen network make of it?

The clean part of a lesson goes through the network as it is, without gradients: it gives the keys and values
that a draft finds in the cache, and what the network would say. The noisy part then goes through the network
with the adapter on.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nemotron_backend.model.config import LlamaConfig, read_config
from nemotron_backend.model.rotary import frequencies
from nemotron_backend.model.weights import Weights
from nemotron_backend.recipes.trimode.noise import Lesson

SCALE = 4.0  # alpha / rank, as NVIDIA has it

_KeysAndValues = tuple[Tensor, Tensor]
_Turn = tuple[Tensor, Tensor]


class Adapter(nn.Module):
    """For each layer a map of low rank beside the attention output, and the embedding of a mask."""

    def __init__(self, config: LlamaConfig, rank: int, mask: Tensor) -> None:
        super().__init__()
        width = config.num_heads * config.head_dim
        self.rank = rank
        self.down = nn.ParameterList(torch.randn(rank, width) / width**0.5 for _ in range(config.num_layers))
        self.up = nn.ParameterList(torch.zeros(config.hidden_size, rank) for _ in range(config.num_layers))
        self.mask = nn.Parameter(mask.float())

    def added(self, index: int, attended: Tensor) -> Tensor:
        """What a layer's attention output gets on top."""
        return SCALE * F.linear(F.linear(attended, self.down[index]), self.up[index])


class Frozen:
    """A Llama's weights in the form that gradients pass through, without any for themselves."""

    def __init__(self, config: LlamaConfig, weights: dict[str, Tensor]) -> None:
        self.config = config
        self._weights = weights
        self._frequencies = frequencies(config)

    @classmethod
    def open(cls, folder: Path, dtype: torch.dtype = torch.bfloat16) -> "Frozen":
        """The network of a checkpoint folder. Raises CheckpointError."""
        weights = Weights.open(folder)
        return cls(read_config(folder), {name: weights.read_any(name).to(dtype) for name in weights})

    @property
    def embedding(self) -> Tensor:
        return self._weights["model.embed_tokens.weight"]

    def logits(self, hidden: Tensor) -> Tensor:
        """Float32 logits of rows of final hidden states."""
        head = self.embedding if self.config.is_tied else self._weights["lm_head.weight"]
        return F.linear(hidden.to(head.dtype), head).float()

    @torch.no_grad()
    def read(self, lesson: Lesson) -> tuple[Tensor, list[_KeysAndValues]]:
        """The clean part's hidden states [batch, tokens, hidden], and each layer's keys and values."""
        num_noisy = lesson.num_noisy
        mask = lesson.mask[:, :, num_noisy:, num_noisy:]
        turn = self._turn(lesson.positions[:, num_noisy:])
        hidden = F.embedding(lesson.token_ids[:, num_noisy:], self.embedding).float()
        kept: list[_KeysAndValues] = []
        for index in range(self.config.num_layers):
            query, key, value = self._heads(index, hidden, turn)
            kept.append((key, value))
            attended = _attend(query, key, value, mask)
            hidden = self._layer(index, hidden, self._linear(index, "self_attn.o_proj", attended))
        return self._norm("model.norm", hidden), kept

    def draft(self, lesson: Lesson, kept: list[_KeysAndValues], adapter: Adapter) -> Tensor:
        """The noisy part's hidden states [batch, tokens, hidden], seen through the adapter."""
        num_noisy = lesson.num_noisy
        mask = lesson.mask[:, :, :num_noisy]
        turn = self._turn(lesson.positions[:, :num_noisy])
        hidden = self._embed(lesson.token_ids[:, :num_noisy], adapter.mask)
        for index, (keys, values) in enumerate(kept):
            query, key, value = self._heads(index, hidden, turn)
            attended = _attend(query, torch.cat((key, keys), 2), torch.cat((value, values), 2), mask)
            output = self._linear(index, "self_attn.o_proj", attended) + adapter.added(index, attended)
            hidden = self._layer(index, hidden, output)
        return self._norm("model.norm", hidden)

    def _embed(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        is_mask = token_ids == self.config.vocab_size
        known = F.embedding(token_ids.masked_fill(is_mask, 0), self.embedding).float()
        return torch.where(is_mask[..., None], mask, known)

    def _layer(self, index: int, hidden: Tensor, attention: Tensor) -> Tensor:
        hidden = hidden + attention
        normed = self._norm(f"model.layers.{index}.post_attention_layernorm", hidden)
        gate, up = (self._linear(index, f"mlp.{name}_proj", normed) for name in ("gate", "up"))
        return hidden + self._linear(index, "mlp.down_proj", F.silu(gate) * up)

    def _heads(self, index: int, hidden: Tensor, turn: _Turn) -> tuple[Tensor, Tensor, Tensor]:
        normed = self._norm(f"model.layers.{index}.input_layernorm", hidden)
        split = (*hidden.shape[:2], -1, self.config.head_dim)
        query, key, value = (
            self._linear(index, f"self_attn.{name}_proj", normed).view(split).transpose(1, 2)
            for name in "qkv"
        )
        return _rotate(query, turn), _rotate(key, turn), value

    def _linear(self, index: int, name: str, rows: Tensor) -> Tensor:
        weight = self._weights[f"model.layers.{index}.{name}.weight"]
        return F.linear(rows.to(weight.dtype), weight).float()

    def _norm(self, name: str, hidden: Tensor) -> Tensor:
        weight = self._weights[f"{name}.weight"].float()
        return F.rms_norm(hidden, weight.shape, weight, self.config.norm_epsilon)

    def _turn(self, positions: Tensor) -> _Turn:
        angles = positions[:, None, :, None] * self._frequencies
        return angles.cos(), angles.sin()


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=True)
    return mixed.transpose(1, 2).flatten(2)


def _rotate(heads: Tensor, turn: _Turn) -> Tensor:
    cosine, sine = turn
    left, right = heads.chunk(2, dim=-1)
    return torch.cat((left * cosine - right * sine, right * cosine + left * sine), dim=-1)
