"""Does our Nemotron-Labs-Diffusion compute what its facts say, in both directions?"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F
from transformers import Ministral3Config, Ministral3ForCausalLM

from nemotron_backend.model.errors import CheckpointError, UnsupportedConfig, WrongShape
from nemotron_backend.model.llama import Llama
from nemotron_backend.model.nemotron_labs_diffusion import open_checkpoint
from nemotron_backend.model.network import Batch, LayerCache, Segment
from nemotron_backend.request import PRECISIONS, Precision
from nemotron_kernels import fp8, nvfp4

Weights = dict[str, Tensor]
VOCABULARY, LAYERS, HIDDEN, HEADS, KV_HEADS, HEAD_DIM = 61, 3, 48, 6, 2, 16
ROPE: dict[str, Any] = {
    "rope_type": "yarn",
    "rope_theta": 1000.0,
    "factor": 16.0,
    "original_max_position_embeddings": 64,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
    "llama_4_scaling_beta": 0.1,
}
CONFIG: dict[str, Any] = {
    "model_type": "nemotron_labs_diffusion",
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "intermediate_size": 80,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "head_dim": HEAD_DIM,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "max_position_embeddings": 1024,
    "block_size": 8,
    "mask_token_id": 5,
    "rope_parameters": ROPE,
}


def save(folder: Path, **changes: Any) -> Weights:
    """A random checkpoint of bfloat16 values under the released names; gives its tensors."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | changes), "utf-8")
    generator = torch.Generator().manual_seed(0)
    weights = {name: torch.randn(shape, generator=generator) * 0.3 for name, shape in _shapes().items()}
    for name in weights:
        if "norm" in name:
            weights[name] = weights[name] + 1
    save_file({name: value.bfloat16() for name, value in weights.items()}, folder / "model.safetensors")
    return {name: value.bfloat16().float() for name, value in weights.items()}


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"encoder.embed_tokens.weight": (VOCABULARY, HIDDEN)}
    for index in range(LAYERS):
        layer = f"encoder.layers.{index}"
        shapes |= {
            f"{layer}.self_attn.q_proj.weight": (HEADS * HEAD_DIM, HIDDEN),
            f"{layer}.self_attn.k_proj.weight": (KV_HEADS * HEAD_DIM, HIDDEN),
            f"{layer}.self_attn.v_proj.weight": (KV_HEADS * HEAD_DIM, HIDDEN),
            f"{layer}.self_attn.o_proj.weight": (HIDDEN, HEADS * HEAD_DIM),
            f"{layer}.mlp.gate_proj.weight": (80, HIDDEN),
            f"{layer}.mlp.up_proj.weight": (80, HIDDEN),
            f"{layer}.mlp.down_proj.weight": (HIDDEN, 80),
            f"{layer}.input_layernorm.weight": (HIDDEN,),
            f"{layer}.post_attention_layernorm.weight": (HIDDEN,),
        }
    return shapes | {"encoder.norm.weight": (HIDDEN,), "diffusion_head.weight": (VOCABULARY, HIDDEN)}


def save_adapter(
    folder: Path, *, rank: int = 4, alpha: float = 8.0, width: int = HEADS * HEAD_DIM
) -> Weights:
    """A random draft adapter; gives for each layer what it adds to o_proj."""
    (folder / "linear_spec_lora").mkdir()
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": alpha, "target_modules": ["o_proj"]}
    (folder / "linear_spec_lora" / "adapter_config.json").write_text(json.dumps(config), "utf-8")
    generator = torch.Generator().manual_seed(1)
    tensors: Weights = {}
    added: Weights = {}
    for index in range(LAYERS):
        down = torch.randn(rank, width, generator=generator).bfloat16()
        up = torch.randn(HIDDEN, rank, generator=generator).bfloat16()
        name = f"base_model.model.encoder.layers.{index}.self_attn.o_proj"
        tensors |= {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
        added[f"encoder.layers.{index}.self_attn.o_proj.weight"] = alpha / rank * up.float() @ down.float()
    save_file(tensors, folder / "linear_spec_lora" / "adapter_model.safetensors")
    return added


def slow(weights: Weights, ids: Sequence[int], seen: Tensor, first_position: int = 0) -> Tensor:
    """Logits of every token by the facts, one full forward; `seen` [tokens, tokens] is who sees whom."""
    positions = torch.arange(first_position, first_position + len(ids))
    hidden = weights["encoder.embed_tokens.weight"][torch.tensor(ids)]
    for index in range(LAYERS):
        layer = f"encoder.layers.{index}"
        hidden = hidden + _slow_attention(weights, layer, hidden, seen, positions)
        normed = _slow_norm(hidden, weights[f"{layer}.post_attention_layernorm.weight"])
        gate, up = (normed @ weights[f"{layer}.mlp.{name}_proj.weight"].T for name in ("gate", "up"))
        hidden = hidden + (F.silu(gate) * up) @ weights[f"{layer}.mlp.down_proj.weight"].T
    return _slow_norm(hidden, weights["encoder.norm.weight"]) @ weights["diffusion_head.weight"].T


def _slow_attention(weights: Weights, layer: str, hidden: Tensor, seen: Tensor, positions: Tensor) -> Tensor:
    normed = _slow_norm(hidden, weights[f"{layer}.input_layernorm.weight"])
    query, key, value = (
        (normed @ weights[f"{layer}.self_attn.{name}_proj.weight"].T).view(len(hidden), -1, HEAD_DIM)
        for name in ("q", "k", "v")
    )
    query, key = _slow_rotate(query, positions), _slow_rotate(key, positions)
    query = query * (1 + 0.1 * torch.log(1 + (positions // 64).float()))[:, None, None]
    outputs = []
    for head in range(HEADS):
        shared = head // (HEADS // KV_HEADS)
        scores = query[:, head] @ key[:, shared].T / math.sqrt(HEAD_DIM)
        outputs.append(scores.masked_fill(~seen, -torch.inf).softmax(-1) @ value[:, shared])
    return torch.cat(outputs, -1) @ weights[f"{layer}.self_attn.o_proj.weight"].T


def _slow_rotate(heads: Tensor, positions: Tensor) -> Tensor:
    turned = torch.empty_like(heads)
    half = HEAD_DIM // 2
    low = max(math.floor(_turning(32.0)), 0)
    high = min(math.ceil(_turning(1.0)), HEAD_DIM - 1)
    for pair in range(half):
        plain = 1000.0 ** (-2 * pair / HEAD_DIM)
        blend = min(max((pair - low) / (high - low), 0.0), 1.0)
        angle = positions.float() * (plain / 16 * blend + plain * (1 - blend))
        cosine, sine = angle.cos()[:, None], angle.sin()[:, None]
        left, right = heads[..., pair], heads[..., pair + half]
        turned[..., pair], turned[..., pair + half] = (
            left * cosine - right * sine,
            right * cosine + left * sine,
        )
    return turned


def _turning(times: float) -> float:
    """The pair that turns so many times over the original context."""
    return HEAD_DIM * math.log(64 / (times * 2 * math.pi)) / (2 * math.log(1000.0))


def _slow_norm(hidden: Tensor, weight: Tensor) -> Tensor:
    return hidden / torch.sqrt(hidden.pow(2).mean(-1, keepdim=True) + 1e-5) * weight


def causal(length: int) -> Tensor:
    return torch.ones(length, length, dtype=torch.bool).tril()


def with_block(num_prefix: int, length: int) -> Tensor:
    """Causal, but the last `length` tokens all see each other."""
    seen = causal(num_prefix + length)
    seen[num_prefix:, num_prefix:] = True
    return seen


def load(folder: Path, precision: Precision = "bf16") -> Llama:
    return open_checkpoint(folder).network("full", precision)


def lay(*parts: tuple[Sequence[int], Sequence[LayerCache], int, bool], is_draft: bool = False) -> Batch:
    """A batch of (token ids, cache, position, is causal) that asks for the logits of every row."""
    segments: list[Segment] = []
    ids: list[int] = []
    positions: list[int] = []
    for tokens, cache, position, is_causal in parts:
        segments.append(
            Segment(cache=cache, start=len(ids), length=len(tokens), position=position, is_causal=is_causal)
        )
        ids += tokens
        positions += range(position, position + len(tokens))
    return Batch(
        token_ids=torch.tensor(ids),
        positions=torch.tensor(positions),
        segments=tuple(segments),
        logit_rows=torch.arange(len(ids)),
        is_draft=is_draft,
    )


def tokens(length: int, seed: int) -> list[int]:
    drawn = torch.randint(0, VOCABULARY, (length,), generator=torch.Generator().manual_seed(seed))
    ids: list[int] = drawn.tolist()
    return ids


def close(found: Tensor, wanted: Tensor) -> None:
    # Native code leaves out up to 2^-17 of an input of every map; random weights make more of it.
    torch.testing.assert_close(found, wanted, atol=2e-3, rtol=2e-3)


def test_left_to_right_it_is_the_ministral3_of_transformers(tmp_path: Path) -> None:
    """Beyond the original context too, where YaRN and the scale of queries show."""
    weights = save(tmp_path)
    shape = {
        name: CONFIG[name] for name in CONFIG if name not in ("model_type", "block_size", "mask_token_id")
    }
    model: Any = Ministral3ForCausalLM(Ministral3Config(**shape))
    names = {"encoder.": "model.", "diffusion_head.": "lm_head."}
    renamed = {}
    for name, value in weights.items():
        prefix = next(prefix for prefix in names if name.startswith(prefix))
        renamed[names[prefix] + name.removeprefix(prefix)] = value
    model.load_state_dict(renamed)
    ids, network = tokens(200, 1), load(tmp_path)
    with torch.inference_mode():
        wanted = model(torch.tensor([ids])).logits[0]
    close(network.forward(lay((ids, network.make_cache(200), 0, True))), wanted)
    close(slow(weights, ids, causal(200)), wanted)


@pytest.mark.parametrize("num_prefix", [0, 1, 30, 70, 130])
@pytest.mark.parametrize("length", [1, 2, 8, 17])
def test_a_block_sees_itself_both_ways_and_the_prefix(tmp_path: Path, num_prefix: int, length: int) -> None:
    weights, network = save(tmp_path), load(tmp_path)
    ids = tokens(num_prefix + length, 2)
    cache = network.make_cache(8)
    if num_prefix:
        network.forward(lay((ids[:num_prefix], cache, 0, True)))
    found = network.forward(lay((ids[num_prefix:], cache, num_prefix, False)))
    close(found, slow(weights, ids, with_block(num_prefix, length))[num_prefix:])


def test_a_pass_in_both_directions_leaves_nothing_behind(tmp_path: Path) -> None:
    save(tmp_path)
    network = load(tmp_path)
    prefix, block = tokens(30, 3), tokens(16, 4)
    touched, clean = network.make_cache(4), network.make_cache(4)
    for cache in (touched, clean):
        network.forward(lay((prefix, cache, 0, True)))
    network.forward(lay((block, touched, 30, False)))
    assert [layer.length for layer in touched] == [30] * LAYERS
    following = [network.forward(lay((block, cache, 30, True))) for cache in (touched, clean)]
    assert torch.equal(*following)


def test_causal_and_free_segments_share_a_forward(tmp_path: Path) -> None:
    weights, network = save(tmp_path), load(tmp_path)
    ids, prompt = tokens(28, 5), tokens(11, 6)
    cache = network.make_cache(28)
    network.forward(lay((ids[:20], cache, 0, True)))
    found = network.forward(lay((ids[20:], cache, 20, False), (prompt, network.make_cache(11), 0, True)))
    close(found[:8], slow(weights, ids, with_block(20, 8))[20:])
    close(found[8:], slow(weights, prompt, causal(11)))


@pytest.mark.parametrize("num_threads", [1, 2])
def test_tokens_get_the_same_bits_one_by_one_and_together(tmp_path: Path, num_threads: int) -> None:
    """Whatever the lengths, and across the borders of 64 and 128 keys."""
    save(tmp_path)
    network, ids = load(tmp_path), tokens(700, 7)
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        singly = in_pieces(network, ids, [1] * 700)
        for lengths in ([2] * 350, [16] * 43 + [12], [5, 32, 3, 100, 60, 64, 200, 236], [700]):
            assert torch.equal(in_pieces(network, ids, lengths), singly)
    finally:
        torch.set_num_threads(before)


def in_pieces(network: Llama, ids: list[int], lengths: list[int]) -> Tensor:
    assert sum(lengths) == len(ids)
    cache, logits, position = network.make_cache(3), [], 0
    for length in lengths:
        logits.append(network.forward(lay((ids[position : position + length], cache, position, True))))
        position += length
    return torch.cat(logits)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_precision_rounds_the_linear_maps_of_layers_alone(tmp_path: Path, precision: Precision) -> None:
    weights, network = save(tmp_path), load(tmp_path, precision)
    ids = tokens(21, 8)
    rounded: dict[str, Callable[[Tensor], Tensor]] = {
        "bf16": lambda weight: weight,
        "fp8": lambda weight: fp8.dequantise(fp8.quantise(weight)),
        "nvfp4": lambda weight: nvfp4.dequantise(nvfp4.quantise(weight)),
    }
    for name in weights:
        if "_proj" in name:
            weights[name] = rounded[precision](weights[name].bfloat16()).float()
    close(network.forward(lay((ids, network.make_cache(21), 0, True))), slow(weights, ids, causal(21)))


@pytest.mark.parametrize("alpha", [16.0, 12.0])
def test_the_adapter_works_in_drafts_alone(tmp_path: Path, alpha: float) -> None:
    weights = save(tmp_path)
    added = save_adapter(tmp_path, alpha=alpha)
    adapted = {name: value + added.get(name, torch.tensor(0.0)) for name, value in weights.items()}
    network, ids = load(tmp_path), tokens(20, 9)
    cache = network.make_cache(20)
    close(network.forward(lay((ids[:12], cache, 0, True))), slow(weights, ids[:12], causal(12)))
    free = network.make_cache(20)
    close(network.forward(lay((ids, free, 0, False))), slow(weights, ids, with_block(0, 20)))
    drafted = network.forward(lay((ids, free, 0, False), is_draft=True))
    # Twice the size of other logits, so twice the rounding.
    torch.testing.assert_close(drafted, slow(adapted, ids, with_block(0, 20)), atol=1e-3, rtol=1e-3)
    assert not torch.allclose(drafted, slow(weights, ids, with_block(0, 20)), atol=0.1)


def test_an_adapter_is_counted_in_memory(tmp_path: Path) -> None:
    save(tmp_path)
    without = load(tmp_path).num_bytes
    save_adapter(tmp_path)
    assert load(tmp_path).num_bytes >= without + LAYERS * 2 * 4 * (HEADS * HEAD_DIM + HIDDEN)


def test_a_draft_without_an_adapter_uses_the_base(tmp_path: Path) -> None:
    save(tmp_path)
    network, ids = load(tmp_path), tokens(9, 10)
    batch = lay((ids, network.make_cache(9), 0, False))
    assert torch.equal(network.forward(batch), network.forward(replace(batch, is_draft=True)))


def test_an_adapter_of_the_wrong_shape_is_refused(tmp_path: Path) -> None:
    save(tmp_path)
    save_adapter(tmp_path, width=32)
    with pytest.raises(
        WrongShape, match=r"o_proj.lora_A.weight is \[4, 32\], the config calls for \[4, 96\]"
    ):
        open_checkpoint(tmp_path)


def test_an_adapter_of_other_layers_is_refused(tmp_path: Path) -> None:
    save(tmp_path)
    save_adapter(tmp_path)
    file = tmp_path / "linear_spec_lora" / "adapter_config.json"
    file.write_text(json.dumps({"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "o_proj"]}), "utf-8")
    with pytest.raises(UnsupportedConfig, match="q_proj, o_proj, not o_proj alone"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"model_type": "llama"}, "model_type"),
        ({"hidden_act": "relu"}, "hidden_act"),
        ({"rope_parameters": ROPE | {"rope_type": "llama3"}}, "rope_type"),
        ({"rope_parameters": ROPE | {"mscale": 0.5}}, "mscale"),
        ({"rope_parameters": ROPE | {"factor": 0}}, "factor"),
        ({"num_key_value_heads": 4}, "cannot share"),
        ({"head_dim": 15}, "head_dim"),
        ({"mask_token_id": VOCABULARY}, "mask_token_id"),
        ({"sliding_window": 8}, "sliding window"),
        ({"attention_bias": True}, "biases"),
        ({"intermediate_size": 64}, "gate_proj"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_config_that_cannot_be_served_names_its_fault(
    tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    save(tmp_path, **changes)
    with pytest.raises(CheckpointError, match=problem):
        open_checkpoint(tmp_path).network("full", "bf16")


def test_a_checkpoint_without_its_head_is_refused(tmp_path: Path) -> None:
    save(tmp_path)
    kept = load_file(tmp_path / "model.safetensors")
    del kept["diffusion_head.weight"]
    save_file(kept, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"diffusion_head.weight is missing"):
        open_checkpoint(tmp_path)
