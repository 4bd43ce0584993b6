"""How does llama.cpp want a hybrid with experts, its `nemotron_h_moe`, written without a vocabulary?"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFWriter
from torch import Tensor

from nemotron_backend.model.inventory import EMBEDDING, HEAD, NORM, prefix
from nemotron_backend.model.nemotron_h_config import NemotronHConfig, read_nemotron_h_config
from nemotron_backend.model.weights import Weights

Named = Iterator[tuple[str, Tensor]]
# These stay float32, as llama.cpp's own converter leaves them.
_PRECISE = ("ffn_gate_inp.weight", "ssm_conv1d.weight", "ssm_a", "ssm_d", "ssm_norm.weight")


def write_hybrid_gguf(folder: Path, file: Path, kind: type[np.floating]) -> Path:
    """Write a checkpoint's bfloat16 values as matrices of another type."""
    config, weights = read_nemotron_h_config(folder), Weights.open(folder)
    writer = GGUFWriter(file, "nemotron_h_moe")
    _add_config(writer, config)
    for name, tensor in _tensors(config, weights):
        values = tensor.float().numpy()
        is_short = values.ndim == 1 or name.endswith(_PRECISE)
        writer.add_tensor(name, values if is_short else values.astype(kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _add_config(writer: GGUFWriter, config: NemotronHConfig) -> None:
    """A layer is known by what it lacks: one of Mamba has neither key heads nor a feed-forward width."""
    experts = [config.moe_intermediate_size * (kind == "experts") for kind in config.layers]
    key_heads = [config.num_kv_heads * (kind == "attention") for kind in config.layers]
    writer.add_tokenizer_model("no_vocab")
    writer.add_vocab_size(config.vocab_size)
    writer.add_block_count(len(config.layers))
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_layer_norm_rms_eps(config.layer_norm_epsilon)
    writer.add_layer_norm_eps(config.layer_norm_epsilon)
    writer.add_feed_forward_length(experts)
    writer.add_head_count(config.num_heads)
    writer.add_head_count_kv(key_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_scaling_finetuned(False)
    writer.add_ssm_conv_kernel(config.conv_kernel)
    writer.add_ssm_inner_size(config.inner_size)
    writer.add_ssm_state_size(config.ssm_state_size)
    writer.add_ssm_group_count(config.n_groups)
    writer.add_ssm_time_step_rank(config.mamba_num_heads)
    _add_experts(writer, config)


def _add_experts(writer: GGUFWriter, config: NemotronHConfig) -> None:
    writer.add_expert_count(config.n_routed_experts)
    writer.add_expert_used_count(config.num_experts_per_tok)
    writer.add_expert_shared_count(1)
    writer.add_expert_feed_forward_length(config.moe_intermediate_size)
    writer.add_expert_shared_feed_forward_length(config.moe_shared_expert_intermediate_size)
    writer.add_expert_weights_norm(config.norm_topk_prob)
    writer.add_expert_weights_scale(config.routed_scaling_factor)
    writer.add_expert_group_count(config.n_group)
    writer.add_expert_group_used_count(config.topk_group)


def _tensors(config: NemotronHConfig, weights: Weights) -> Named:
    yield "token_embd.weight", weights.read_any(EMBEDDING)
    yield "output.weight", weights.read_any(HEAD)
    yield "output_norm.weight", weights.read_any(NORM)
    mixers = {"mamba": _mamba, "attention": _attention, "experts": _experts}
    for layer, kind in enumerate(config.layers):
        yield f"blk.{layer}.attn_norm.weight", weights.read_any(f"backbone.layers.{layer}.norm.weight")
        for name, tensor in mixers[kind](config, weights, prefix(layer)):
            yield f"blk.{layer}.{name}", tensor


def _mamba(config: NemotronHConfig, weights: Weights, start: str) -> Named:
    yield "ssm_in.weight", weights.read_any(f"{start}in_proj.weight")
    yield "ssm_out.weight", weights.read_any(f"{start}out_proj.weight")
    yield "ssm_conv1d.weight", weights.read_any(f"{start}conv1d.weight").squeeze(1)
    yield "ssm_conv1d.bias", weights.read_any(f"{start}conv1d.bias")
    yield "ssm_dt.bias", weights.read_any(f"{start}dt_bias")
    yield "ssm_a", -torch.exp(weights.read_any(f"{start}A_log").float())[:, None]
    yield "ssm_d", weights.read_any(f"{start}D")[:, None]
    yield "ssm_norm.weight", weights.read_any(f"{start}norm.weight").view(config.n_groups, -1)


def _attention(config: NemotronHConfig, weights: Weights, start: str) -> Named:
    for theirs, ours in {"attn_q": "q", "attn_k": "k", "attn_v": "v", "attn_output": "o"}.items():
        yield f"{theirs}.weight", weights.read_any(f"{start}{ours}_proj.weight")


def _experts(config: NemotronHConfig, weights: Weights, start: str) -> Named:
    yield "ffn_gate_inp.weight", weights.read_any(f"{start}gate.weight")
    yield "exp_probs_b.bias", weights.read_any(f"{start}gate.e_score_correction_bias")
    for part in ("up", "down"):
        yield f"ffn_{part}_shexp.weight", weights.read_any(f"{start}shared_experts.{part}_proj.weight")
        names = [f"{start}experts.{expert}.{part}_proj.weight" for expert in range(config.n_routed_experts)]
        yield f"ffn_{part}_exps.weight", torch.stack([weights.read_any(name) for name in names])
