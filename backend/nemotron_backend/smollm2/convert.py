"""How does a GGUF become a Hugging Face format checkpoint?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFReader, ReaderTensor, dequantize
from safetensors.torch import save_file
from torch import Tensor

from nemotron_backend.smollm2.release import PreparationFailed
from nemotron_backend.smollm2.tokenizer import write_tokenizer

_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def convert(gguf: Path, folder: Path, report: Callable[[float], None]) -> None:
    """Write config, tokenizer and bfloat16 weights. Raises PreparationFailed."""
    try:
        reader = GGUFReader(gguf)
        fields = {name: field.contents() for name, field in reader.fields.items()}
        _write_json(folder / "config.json", _config(fields, reader))
        _write_json(folder / "generation_config.json", _end_tokens(fields))
        write_tokenizer(fields, folder)
    except (KeyError, ValueError, IndexError) as error:
        raise PreparationFailed(f"{gguf} is not a GGUF of a Llama-type model: {error!r}") from error
    save_file(_weights(reader, fields, report), folder / "model.safetensors", metadata={"format": "pt"})


def _config(fields: dict[str, Any], reader: GGUFReader) -> dict[str, Any]:
    if fields["general.architecture"] != "llama":
        raise ValueError(f"its architecture is {fields['general.architecture']!r}")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "bfloat16",
        "vocab_size": fields["llama.vocab_size"],
        "hidden_size": fields["llama.embedding_length"],
        "intermediate_size": fields["llama.feed_forward_length"],
        "num_hidden_layers": fields["llama.block_count"],
        "num_attention_heads": fields["llama.attention.head_count"],
        "num_key_value_heads": fields["llama.attention.head_count_kv"],
        "head_dim": fields["llama.rope.dimension_count"],
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        # GGUF keeps it as float32, which 1e-05 is not exactly.
        "rms_norm_eps": float(f"{fields['llama.attention.layer_norm_rms_epsilon']:.6g}"),
        "max_position_embeddings": fields["llama.context_length"],
        "rope_parameters": {"rope_type": "default", "rope_theta": fields["llama.rope.freq_base"]},
        "tie_word_embeddings": all(tensor.name != "output.weight" for tensor in reader.tensors),
        **_end_tokens(fields),
    }


def _end_tokens(fields: dict[str, Any]) -> dict[str, int]:
    return {
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
        "pad_token_id": fields["tokenizer.ggml.padding_token_id"],
    }


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def _weights(
    reader: GGUFReader, fields: dict[str, Any], report: Callable[[float], None]
) -> dict[str, Tensor]:
    num_heads = {
        "attn_q": fields["llama.attention.head_count"],
        "attn_k": fields["llama.attention.head_count_kv"],
    }
    weights: dict[str, Tensor] = {}
    for number, tensor in enumerate(reader.tensors):
        prefix, role = _place(tensor.name)
        weights[f"{prefix}{_NAMES[role]}.weight"] = _weight(tensor, num_heads.get(role))
        report((number + 1) / len(reader.tensors))
    return weights


def _place(name: str) -> tuple[str, str]:
    """`blk.3.attn_q.weight` is the role `attn_q` below `model.layers.3.`"""
    *block, role, _ = name.split(".")
    return (f"model.layers.{block[1]}." if block else ""), role


def _weight(tensor: ReaderTensor, num_heads: int | None) -> Tensor:
    values = torch.from_numpy(np.array(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32))
    if num_heads is not None:
        # GGUF keeps the two numbers that turn together side by side, Hugging Face half a head apart.
        pairs = values.view(num_heads, -1, 2, values.shape[-1])
        values = pairs.transpose(1, 2).reshape(values.shape)
    return values.to(torch.bfloat16)
