"""Does our Llama-type network compute what transformers' does?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from nemotron_backend.model.llama import Llama
from nemotron_backend.model.load import load_network
from nemotron_backend.model.network import Batch, LayerCache, Segment

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
CONFIGS = {
    "grouped": {"num_attention_heads": 6, "num_key_value_heads": 2},
    "one_key_head": {"num_attention_heads": 4, "num_key_value_heads": 1},
    "all_key_heads": {"num_attention_heads": 3, "num_key_value_heads": 3, "head_dim": 20},
    "untied": {"num_attention_heads": 6, "num_key_value_heads": 2, "tie_word_embeddings": False},
    "wide_heads": {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 64},
    "llama3_rope": {"num_attention_heads": 6, "num_key_value_heads": 2, "rope_parameters": LLAMA3},
}


def save(folder: Path, **changes: Any) -> Any:
    """A random network whose weights are bfloat16 values, as checkpoints hold."""
    shape: dict[str, Any] = {
        "vocab_size": 101,
        "hidden_size": 48,
        "intermediate_size": 80,
        "num_hidden_layers": 3,
        "tie_word_embeddings": True,
        "initializer_range": 0.3,
    }
    torch.manual_seed(0)
    model: Any = LlamaForCausalLM(LlamaConfig(**(shape | changes)))
    model.to(torch.bfloat16).save_pretrained(folder)
    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)


def lay(*parts: tuple[list[int], Sequence[LayerCache], int]) -> Batch:
    """A batch of (token ids, cache, position) that asks for the logits of every row."""
    segments: list[Segment] = []
    rows: list[int] = []
    positions: list[int] = []
    for tokens, cache, position in parts:
        segments.append(Segment(cache=cache, start=len(rows), length=len(tokens), position=position))
        rows += tokens
        positions += range(position, position + len(tokens))
    ids, places = torch.tensor(rows), torch.tensor(positions)
    return Batch(
        token_ids=ids, positions=places, segments=tuple(segments), logit_rows=torch.arange(len(rows))
    )


def tokens(length: int, seed: int) -> list[int]:
    ids: list[int] = torch.randint(0, 101, (length,), generator=torch.Generator().manual_seed(seed)).tolist()
    return ids


def expected(model: Any, ids: list[int]) -> Tensor:
    with torch.inference_mode():
        logits: Tensor = model(torch.tensor([ids])).logits[0]
    return logits


@pytest.mark.parametrize("changes", CONFIGS.values(), ids=CONFIGS)
def test_ragged_prompts_give_the_logits_of_transformers(tmp_path: Path, changes: dict[str, object]) -> None:
    model = save(tmp_path, **changes)
    network = load_network(tmp_path, "bf16")
    prompts = [tokens(length, length) for length in (1, 17, 2, 33)]
    logits = network.forward(lay(*((prompt, network.make_cache(40), 0) for prompt in prompts)))
    torch.testing.assert_close(logits, torch.cat([expected(model, p) for p in prompts]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("changes", CONFIGS.values(), ids=CONFIGS)
def test_chunks_and_steps_give_the_logits_of_one_prefill(tmp_path: Path, changes: dict[str, object]) -> None:
    model = save(tmp_path, **changes)
    network = load_network(tmp_path, "bf16")
    ids = tokens(29, 7)
    logits = in_pieces(network, ids, (1, 9, 1, 1, 13, 4))
    torch.testing.assert_close(logits, expected(model, ids), atol=1e-4, rtol=1e-4)


def in_pieces(network: Llama, ids: list[int], lengths: tuple[int, ...]) -> Tensor:
    assert sum(lengths) == len(ids)
    cache, logits, position = network.make_cache(3), [], 0
    for length in lengths:
        logits.append(network.forward(lay((ids[position : position + length], cache, position))))
        position += length
    return torch.cat(logits)
