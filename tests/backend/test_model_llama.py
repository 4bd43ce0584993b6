"""Does our Llama-type network compute what transformers' does?"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from nemotron_backend.model.llama import Llama
from nemotron_backend.model.load import LlamaCheckpoint, load_network
from nemotron_backend.model.network import Batch, LayerCache, Segment
from nemotron_backend.request import PRECISIONS, Precision
from nemotron_kernels import fp8, nvfp4
from nemotron_kernels.quantised_linear import held_bytes

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "grouped": {"num_attention_heads": 6, "num_key_value_heads": 2},
    "one_key_head": {"num_attention_heads": 4, "num_key_value_heads": 1},
    "all_key_heads": {"num_attention_heads": 3, "num_key_value_heads": 3, "head_dim": 20},
    "untied": {"num_attention_heads": 6, "num_key_value_heads": 2, "tie_word_embeddings": False},
    "wide_heads": {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 64},
    "llama3_rope": {"num_attention_heads": 6, "num_key_value_heads": 2, "rope_parameters": LLAMA3},
}


# Native code leaves out up to 2^-17 of an input of every map; large random weights make more of it.
assert_near = partial(torch.testing.assert_close, atol=1e-3, rtol=1e-3)


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
    assert_near(logits, torch.cat([expected(model, p) for p in prompts]))


@pytest.mark.parametrize("changes", CONFIGS.values(), ids=CONFIGS)
def test_chunks_and_steps_give_the_logits_of_one_prefill(tmp_path: Path, changes: dict[str, object]) -> None:
    model = save(tmp_path, **changes)
    network = load_network(tmp_path, "bf16")
    ids = tokens(29, 7)
    logits = in_pieces(network, ids, (1, 9, 1, 1, 13, 4))
    assert_near(logits, expected(model, ids))


def in_pieces(network: Llama, ids: list[int], lengths: tuple[int, ...]) -> Tensor:
    assert sum(lengths) == len(ids)
    cache, logits, position = network.make_cache(3), [], 0
    for length in lengths:
        logits.append(network.forward(lay((ids[position : position + length], cache, position))))
        position += length
    return torch.cat(logits)


def test_a_sequence_gets_the_same_bits_whatever_is_beside_it(tmp_path: Path) -> None:
    save(tmp_path, **CONFIGS["grouped"])
    network = load_network(tmp_path, "bf16")
    prompts = [tokens(length, length) for length in (5, 19, 1, 30, 8, 3)]
    alone = [network.make_cache(64) for _ in prompts]
    together = [network.make_cache(64) for _ in prompts]
    first = torch.cat([network.forward(lay((p, c, 0))) for p, c in zip(prompts, alone, strict=True)])
    assert torch.equal(
        first, network.forward(lay(*((p, c, 0) for p, c in zip(prompts, together, strict=True))))
    )
    for step in range(4):
        parts = [([step + 1], len(prompt) + step) for prompt in prompts]
        single = [
            network.forward(lay((ids, cache, place)))
            for (ids, place), cache in zip(parts, alone, strict=True)
        ]
        batch = [(ids, cache, place) for (ids, place), cache in zip(parts, together, strict=True)]
        assert torch.equal(torch.cat(single), network.forward(lay(*batch)))


def test_prompts_and_steps_share_a_forward(tmp_path: Path) -> None:
    model = save(tmp_path, **CONFIGS["grouped"])
    network = load_network(tmp_path, "bf16")
    running, prompt = tokens(12, 1), tokens(9, 2)
    cache = network.make_cache(20)
    network.forward(lay((running[:-1], cache, 0)))
    logits = network.forward(lay((running[-1:], cache, 11), (prompt, network.make_cache(20), 0)))
    wanted = torch.cat((expected(model, running)[-1:], expected(model, prompt)))
    assert_near(logits, wanted)


def test_only_the_rows_that_are_asked_for_get_logits(tmp_path: Path) -> None:
    save(tmp_path, **CONFIGS["grouped"])
    network = load_network(tmp_path, "bf16")
    whole = lay((tokens(10, 1), network.make_cache(10), 0), (tokens(4, 2), network.make_cache(4), 0))
    some = lay((tokens(10, 1), network.make_cache(10), 0), (tokens(4, 2), network.make_cache(4), 0))
    rows = torch.tensor([9, 13])
    assert torch.equal(network.forward(replace(some, logit_rows=rows)), network.forward(whole)[rows])
    none = lay((tokens(3, 1), network.make_cache(10), 0))
    empty = torch.tensor([], dtype=torch.int64)
    assert network.forward(replace(none, logit_rows=empty)).shape == (0, 101)


def test_a_truncated_cache_goes_on_as_if_the_rest_had_never_been(tmp_path: Path) -> None:
    save(tmp_path, **CONFIGS["grouped"])
    network = load_network(tmp_path, "bf16")
    ids = tokens(20, 3)
    detoured, straight = network.make_cache(4), network.make_cache(40)
    for cache in (detoured, straight):
        network.forward(lay((ids, cache, 0)))
    network.forward(lay((tokens(7, 4), detoured, 20)))
    for layer in detoured:
        layer.truncate(20)
    assert torch.equal(network.forward(lay(([5], detoured, 20))), network.forward(lay(([5], straight, 20))))


def test_a_copied_prefix_is_independent_of_its_origin(tmp_path: Path) -> None:
    model = save(tmp_path, **CONFIGS["grouped"])
    network = load_network(tmp_path, "bf16")
    shared, left, right = tokens(15, 5), tokens(6, 6), tokens(11, 7)
    origin = network.make_cache(15)
    network.forward(lay((shared, origin, 0)))
    twin = [layer.copy(15) for layer in origin]
    logits = [network.forward(lay((left, origin, 15))), network.forward(lay((right, twin, 15)))]
    for found, ids in zip(logits, (left, right), strict=True):
        assert_near(found, expected(model, shared + ids)[15:])


def test_a_cache_out_of_step_with_its_segment_is_refused(tmp_path: Path) -> None:
    save(tmp_path, **CONFIGS["grouped"])
    network = load_network(tmp_path, "bf16")
    with pytest.raises(ValueError, match="holds 0 tokens, the segment starts at 3"):
        network.forward(lay(([1], network.make_cache(4), 3)))
    cache = network.make_cache(4)
    network.forward(lay(([1, 2], cache, 0)))
    with pytest.raises(ValueError, match="a cache of 2 tokens has no first 3"):
        cache[0].truncate(3)


def test_a_cache_costs_what_the_network_says(tmp_path: Path) -> None:
    save(tmp_path, **CONFIGS["grouped"])
    network = load_network(tmp_path, "bf16")
    held = sum(layer.num_bytes for layer in network.make_cache(128))
    assert held == 128 * network.cache_bytes_per_token == 128 * 3 * 2 * 2 * 8 * 4


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_precision_computes_with_its_own_rounded_weights(tmp_path: Path, precision: Precision) -> None:
    model = save(tmp_path, **CONFIGS["grouped"])
    ids = tokens(21, 8)
    network = load_network(tmp_path, precision)
    logits = network.forward(lay((ids, network.make_cache(21), 0)))
    plain = expected(model, ids)
    round_weights(model, precision)
    torch.testing.assert_close(logits, expected(model, ids), atol=2e-4, rtol=2e-4)
    assert torch.allclose(logits, plain, atol=2e-4, rtol=2e-4) == (precision == "bf16")


def round_weights(model: Any, precision: Precision) -> None:
    """Give transformers' network the weights that the precision stands for."""
    rounded: dict[str, Callable[[Tensor], Tensor]] = {
        "bf16": lambda weight: weight,
        "fp8": lambda weight: fp8.dequantise(fp8.quantise(weight)),
        "nvfp4": lambda weight: nvfp4.dequantise(nvfp4.quantise(weight)),
    }
    for layer in model.model.layers:
        for linear in (*layer.self_attn.children(), *layer.mlp.children()):
            if isinstance(linear, torch.nn.Linear):
                linear.weight.data = rounded[precision](linear.weight.data)


def test_precisions_share_all_that_stays_bfloat16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMOTRON_KERNELS", "reference")  # native code holds each precision at its own length
    save(tmp_path, **CONFIGS["untied"])
    checkpoint = LlamaCheckpoint.open(tmp_path)
    networks = [checkpoint.network("full", precision) for precision in PRECISIONS]
    shapes = ((80, 48), (48, 48), (160, 48), (48, 80))
    linears = 3 * sum(held_bytes(shape) for shape in shapes)
    for network in networks:
        assert linears <= network.num_bytes <= linears + 3 * 4 * (80 + 48 + 160 + 48)
    assert checkpoint.num_shared_bytes >= 101 * 48 * (2 + 2)


def test_bfloat16_weights_far_below_float16_are_kept(tmp_path: Path) -> None:
    """float16 ends at 6e-8, bfloat16 at 1e-38: a weight of small numbers must not vanish."""
    model = save(tmp_path, **CONFIGS["grouped"], initializer_range=0.3)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.mlp.gate_proj.weight.mul_(2.0**-60)
            layer.mlp.up_proj.weight.mul_(2.0**60)
    model.to(torch.bfloat16).save_pretrained(tmp_path)
    model = LlamaForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    network, ids = load_network(tmp_path, "bf16"), tokens(11, 9)
    logits = network.forward(lay((ids, network.make_cache(11), 0)))
    assert_near(logits, expected(model, ids))
