"""Which random hybrid of 300 million parameters is measured: Nemotron 3 Nano made small, in three sizes?"""

from pathlib import Path
from typing import Any

import torch
from transformers import NemotronHConfig, NemotronHForCausalLM

_SHAPE: dict[str, Any] = {
    "vocab_size": 16384,
    "hidden_size": 768,
    "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEME",
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "mamba_num_heads": 24,
    "mamba_head_dim": 64,
    "n_groups": 8,
    "ssm_state_size": 128,
    "chunk_size": 128,
    "n_routed_experts": 64,
    "num_experts_per_tok": 6,
    "moe_intermediate_size": 256,
    "moe_shared_expert_intermediate_size": 512,
    "routed_scaling_factor": 2.5,
    "max_position_embeddings": 2048,
    # transformers clamps the time step in its prefill and NVIDIA does not; this clamps nothing.
    "time_step_min": 1e-30,
    "elastic_sizes": {
        "large": {},
        "medium": {
            "hidden_size": 640,
            "moe_intermediate_size": 224,
            "moe_shared_expert_intermediate_size": 448,
        },
        "small": {
            "hidden_size": 512,
            "moe_intermediate_size": 160,
            "moe_shared_expert_intermediate_size": 320,
            "n_routed_experts": 48,
            "mamba_num_heads": 16,
        },
    },
}


def save_random_hybrid(folder: Path) -> Path:
    """Write the checkpoint in bfloat16, in Hugging Face format."""
    torch.manual_seed(0)
    model: Any = NemotronHForCausalLM(NemotronHConfig(**_SHAPE))
    model.to(torch.bfloat16).save_pretrained(folder)
    return folder
