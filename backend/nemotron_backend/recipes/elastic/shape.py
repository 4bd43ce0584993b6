"""Which network is trained, and which sizes lie in it?"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from nemotron_backend.model.cuts import Cuts
from nemotron_backend.model.elastic import shrink, sizes
from nemotron_backend.model.nemotron_h_config import NemotronHConfig, parse_nemotron_h_config
from nemotron_backend.model.stored_weight import cut_tensor

CONFIG: dict[str, Any] = {
    "architectures": ["NemotronHForCausalLM"],
    "model_type": "nemotron_h",
    "vocab_size": 1024,
    "hidden_size": 192,
    "hybrid_override_pattern": "MEM*EMEM*E",
    "num_hidden_layers": 10,
    "max_position_embeddings": 2048,
    "layer_norm_epsilon": 1e-5,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "attention_bias": False,
    "mamba_num_heads": 8,
    "mamba_head_dim": 48,
    "mamba_hidden_act": "silu",
    "mamba_proj_bias": False,
    "ssm_state_size": 32,
    "n_groups": 2,
    "conv_kernel": 4,
    "use_conv_bias": True,
    "chunk_size": 64,
    # transformers clamps the time step from below where nothing else does.
    "time_step_min": 0.0,
    "n_routed_experts": 16,
    "num_experts_per_tok": 2,
    "n_shared_experts": 1,
    "moe_intermediate_size": 96,
    "moe_shared_expert_intermediate_size": 256,
    "intermediate_size": 256,
    "n_group": 1,
    "topk_group": 1,
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.0,
    "mlp_hidden_act": "relu2",
    "mlp_bias": False,
    "use_bias": False,
    "tie_word_embeddings": False,
    "residual_in_fp32": False,
    "bos_token_id": 1,
    "eos_token_id": 11,
    "pad_token_id": 0,
    "dtype": "bfloat16",
    "elastic_sizes": {
        "4m": {},
        "3m": {
            "hidden_size": 160,
            "mamba_num_heads": 6,
            "moe_intermediate_size": 96,
            "moe_shared_expert_intermediate_size": 224,
        },
        "2m": {
            "hidden_size": 112,
            "mamba_num_heads": 4,
            "moe_intermediate_size": 64,
            "moe_shared_expert_intermediate_size": 128,
        },
    },
}


@dataclass(frozen=True, slots=True)
class Size:
    """The network that a size is, and which part of the whole one."""

    name: str
    config: NemotronHConfig
    cuts: Cuts

    def part(self, name: str, tensor: Tensor) -> Tensor:
        """What this size sees of a tensor, by its name in a layer or in the checkpoint; differentiable.

        `experts.*` stands for a stack of all experts.
        """
        stack = (self.cuts.axis("expert"),) if ".*." in name else ()
        return cut_tensor(tensor, (*stack, *self.cuts.of(name)))


def nested(file: Mapping[str, Any]) -> tuple[Size, ...]:
    """Every size of a config.json, the whole network first."""
    whole = parse_nemotron_h_config(file)
    kept = {name: shrink(whole, name, Path()) for name in sizes(whole)}
    return tuple(Size(name, config, Cuts(whole, config)) for name, config in kept.items())
