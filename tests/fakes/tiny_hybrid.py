"""What is a random hybrid checkpoint small enough for tests?"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import NemotronHConfig, NemotronHForCausalLM

from nemotron_backend.model.inventory import prediction_inventory
from nemotron_backend.model.nemotron_h_config import parse_nemotron_h_config

SHAPE: dict[str, Any] = {
    "vocab_size": 101,
    "hidden_size": 48,
    "hybrid_override_pattern": "ME*M-E",
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 80,
    "mamba_num_heads": 8,
    "mamba_head_dim": 16,
    "n_groups": 2,
    "ssm_state_size": 24,
    "conv_kernel": 4,
    "chunk_size": 8,
    "n_routed_experts": 6,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "moe_shared_expert_intermediate_size": 64,
    "routed_scaling_factor": 2.5,
    "initializer_range": 0.2,
    "max_position_embeddings": 512,
    # transformers clamps the time step in its prefill and NVIDIA does not; this clamps nothing.
    "time_step_min": 1e-30,
}

PREDICTING: dict[str, Any] = {
    "vocab_size": 24,
    "hidden_size": 64,
    "mamba_num_heads": 32,
    "mamba_head_dim": 4,
    "ssm_state_size": 16,
    "n_routed_experts": 32,
    "num_nextn_predict_layers": 1,
    "mtp_layers_block_type": ["attention", "moe"],
    "initializer_range": 0.1,
}


def save_hybrid(folder: Path, dtype: torch.dtype = torch.bfloat16, **changes: Any) -> None:
    """Write a checkpoint of bfloat16 values; keywords change the shape."""
    torch.manual_seed(0)
    model: Any = NemotronHForCausalLM(NemotronHConfig(**(SHAPE | changes)))
    with torch.no_grad():
        for name, parameter in [*model.named_parameters(), *model.named_buffers()]:
            _draw(name, parameter)
    model.to(dtype).save_pretrained(folder)


def add_prediction(folder: Path, strength: float) -> None:
    """Give it a block that predicts further tokens.

    Layers add `strength` of what they might to the embedding of the last token, in network and block alike,
    so that the block drafts now and then what is said.
    """
    tensors = load_file(folder / "model.safetensors")
    config = parse_nemotron_h_config(json.loads((folder / "config.json").read_text()))
    random = torch.Generator().manual_seed(9)
    for name, shape in prediction_inventory(config).items():
        drawn = 0.2 * strength * torch.randn(shape, generator=random)
        tensors[name] = (1 + drawn if "norm" in name else drawn).bfloat16()
    for name, tensor in tensors.items():
        if name.startswith("backbone") and name.endswith(
            ("out_proj.weight", "o_proj.weight", "down_proj.weight")
        ):
            tensor *= strength
    tensors["backbone.embeddings.weight"] *= 8
    tensors["mtp.layers.0.eh_proj.weight"][:, : config.hidden_size] += torch.eye(config.hidden_size)
    tensors["mtp.layers.1.final_layernorm.weight"] *= tensors["backbone.norm_f.weight"]
    save_file(tensors, folder / "model.safetensors")


def _draw(name: str, parameter: Tensor) -> None:
    """Values that make every part of the network matter."""
    if name.endswith(("norm.weight", "norm_f.weight", "mixer.D")):
        parameter.uniform_(0.5, 1.5)
    elif name.endswith("A_log"):
        parameter.uniform_(-1, 2)
    elif name.endswith(("dt_bias", "conv1d.bias", "e_score_correction_bias")):
        parameter.uniform_(-0.5, 0.5)
    elif name.endswith("out_proj.weight"):
        parameter.normal_(std=0.2)
