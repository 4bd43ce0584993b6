"""What is the network in training form?

Nemotron-Labs-Diffusion's decoder over whole sequences, with any attention mask and with gradients. The
state dictionary has the names of the released checkpoints, so that saving is copying.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

CONFIG: dict[str, Any] = {
    "architectures": ["NemotronLabsDiffusionModel"],
    "model_type": "nemotron_labs_diffusion",
    "vocab_size": 1024,
    "hidden_size": 192,
    "intermediate_size": 576,
    "num_hidden_layers": 8,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "mlp_bias": False,
    "max_position_embeddings": 2048,
    "sliding_window": None,
    "block_size": 16,
    "mask_token_id": 100,
    "has_draft_adapter": False,
    "bos_token_id": 1,
    "eos_token_id": 11,
    "pad_token_id": 0,
    "dlm_paradigm": "bidirectional",
    "dtype": "bfloat16",
    "rope_parameters": {
        "rope_type": "yarn",
        "rope_theta": 1000000.0,
        "factor": 16.0,
        "original_max_position_embeddings": 16384,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
        "llama_4_scaling_beta": 0.1,
    },
}


class Attention(nn.Module):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self._head_dim = config["head_dim"]
        width, inner = config["hidden_size"], config["num_attention_heads"] * self._head_dim
        narrow = config["num_key_value_heads"] * self._head_dim
        self.q_proj = nn.Linear(width, inner, bias=False)
        self.k_proj = nn.Linear(width, narrow, bias=False)
        self.v_proj = nn.Linear(width, narrow, bias=False)
        self.o_proj = nn.Linear(inner, width, bias=False)

    def forward(self, hidden: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        query, key, value = (
            projection(hidden).unflatten(-1, (-1, self._head_dim)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = F.scaled_dot_product_attention(
            _rotate(query, turn), _rotate(key, turn), value, attn_mask=mask, enable_gqa=True
        )
        joined: Tensor = self.o_proj(mixed.transpose(1, 2).flatten(2))
        return joined


class Mlp(nn.Module):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width, inner = config["hidden_size"], config["intermediate_size"]
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        narrowed: Tensor = self.down_proj(F.silu(self.gate_proj(hidden)) * self.up_proj(hidden))
        return narrowed


class Layer(nn.Module):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width, epsilon = config["hidden_size"], config["rms_norm_eps"]
        self.input_layernorm = nn.RMSNorm(width, eps=epsilon)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = nn.RMSNorm(width, eps=epsilon)
        self.mlp = Mlp(config)

    def forward(self, hidden: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        hidden = hidden + self.self_attn(self.input_layernorm(hidden), turn, mask)
        added: Tensor = self.mlp(self.post_attention_layernorm(hidden))
        return hidden + added


class Encoder(nn.Module):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.layers = nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"]))
        self.norm = nn.RMSNorm(config["hidden_size"], eps=config["rms_norm_eps"])


class TriMode(nn.Module):
    """Token ids and positions [batch, tokens], mask [batch, 1, tokens, tokens] to hidden states."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.diffusion_head = nn.Linear(config["hidden_size"], config["vocab_size"], bias=False)
        self._frequencies = _frequencies(config)
        self.apply(_initialise)

    def forward(self, token_ids: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        """Final hidden states [batch, tokens, hidden]; `diffusion_head` makes them logits."""
        angles = positions[:, None, :, None] * self._frequencies
        turn = (angles.cos(), angles.sin())
        hidden = self.encoder.embed_tokens(token_ids)
        for layer in self.encoder.layers:
            hidden = layer(hidden, turn, mask)
        normed: Tensor = self.encoder.norm(hidden)
        return normed


def _frequencies(config: dict[str, Any]) -> Tensor:
    # Transformers' own YaRN; the attention factor that it returns beside is 1 for mscale = mscale_all_dim.
    known = LlamaConfig(
        hidden_size=config["hidden_size"],
        num_attention_heads=config["num_attention_heads"],
        head_dim=config["head_dim"],
        max_position_embeddings=config["max_position_embeddings"],
        rope_parameters=config["rope_parameters"],
    )
    frequencies, factor = ROPE_INIT_FUNCTIONS["yarn"](known, torch.device("cpu"))
    assert factor == 1.0
    return frequencies


def _rotate(heads: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    cosine, sine = turn
    left, right = heads.chunk(2, dim=-1)
    return torch.cat((left * cosine - right * sine, right * cosine + left * sine), dim=-1)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
