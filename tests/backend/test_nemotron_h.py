"""Does our hybrid network compute what transformers' NemotronH does?"""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import NemotronHForCausalLM

from nemotron_backend.model.nemotron_h import NemotronH
from nemotron_backend.model.nemotron_h_checkpoint import NemotronHCheckpoint
from nemotron_backend.model.network import Batch, Segment

SHAPES: dict[str, dict[str, Any]] = {
    "all_kinds": {},
    "mamba_alone": {"hybrid_override_pattern": "MM"},
    "attention_alone": {"hybrid_override_pattern": "**"},
    "experts_alone": {"hybrid_override_pattern": "EE"},
    "nano_order": {"hybrid_override_pattern": "MEMEM*EMEMEM*E"},
    "block_list": {"layers_block_type": ["linear_attention", "moe", "full_attention", "mlp"]},
    "latent_experts": {"moe_latent_size": 24},
    "expert_groups": {"n_routed_experts": 12, "n_group": 4, "topk_group": 2, "num_experts_per_tok": 3},
    "plain_weights": {"norm_topk_prob": False, "routed_scaling_factor": 1.0},
    "one_group": {"n_groups": 1},
    "a_group_a_head": {"n_groups": 8},
    "one_key_head": {"num_attention_heads": 5, "num_key_value_heads": 1},
    "short_taps": {"conv_kernel": 2, "use_conv_bias": False},
    # transformers' grouped product wants rows of whole 16 bytes, hence hidden and expert widths in fours.
    "odd_widths": {"hidden_size": 44, "moe_intermediate_size": 20, "mamba_head_dim": 5, "ssm_state_size": 7},
    "long_chunk": {"chunk_size": 128},
}


def close(ours: Tensor, theirs: Tensor) -> None:
    """Equal within float32 noise, measured against the spread of the logits."""
    assert ours.shape == theirs.shape
    assert float((ours - theirs).abs().max() / theirs.std()) < 1e-4


def transformers_logits(folder: Path, tokens: list[int]) -> Tensor:
    model: Any = NemotronHForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        logits: Tensor = model(torch.tensor([tokens]), use_cache=False).logits[0]
    return logits


def transformers_steps(folder: Path, tokens: list[int], prompt: int) -> Tensor:
    """Logits of a prefill and of single steps after it, through transformers' own cache."""
    model: Any = NemotronHForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        out = model(torch.tensor([tokens[:prompt]]), use_cache=True)
        logits = [out.logits[0]]
        for token in tokens[prompt:]:
            out = model(torch.tensor([[token]]), past_key_values=out.past_key_values, use_cache=True)
            logits.append(out.logits[0])
    return torch.cat(logits)


def network(folder: Path) -> NemotronH:
    return NemotronHCheckpoint.open(folder).network("full", "bf16")


def draw(length: int, seed: int = 1) -> list[int]:
    return torch.randint(101, (length,), generator=torch.Generator().manual_seed(seed)).tolist()


@pytest.mark.parametrize("length", [1, 2, 17, 40])
@pytest.mark.parametrize("shape", SHAPES)
def test_prefill_equals_transformers(save_hybrid: Any, run: Any, shape: str, length: int) -> None:
    folder, tokens = save_hybrid(**SHAPES[shape]), draw(length)
    ours = network(folder)
    (logits,) = run(ours, (tokens, ours.make_cache(length), 0))
    close(logits, transformers_logits(folder, tokens))


# transformers cannot continue from a cache without an attention layer.
@pytest.mark.parametrize("shape", [name for name in SHAPES if name not in ("mamba_alone", "experts_alone")])
def test_steps_equal_transformers(save_hybrid: Any, run: Any, shape: str) -> None:
    folder, tokens = save_hybrid(**SHAPES[shape]), draw(14)
    ours = network(folder)
    cache = ours.make_cache(4)
    logits = run(ours, (tokens[:9], cache, 0))
    for position in range(9, 14):
        logits += run(ours, ([tokens[position]], cache, position))
    close(torch.cat(logits), transformers_steps(folder, tokens, 9))


@pytest.mark.parametrize("cut", [1, 3, 8, 20])
def test_prefill_and_steps_equal_one_prefill(save_hybrid: Any, run: Any, cut: int) -> None:
    ours, tokens = network(save_hybrid()), draw(21)
    (whole,) = run(ours, (tokens, ours.make_cache(21), 0))
    cache = ours.make_cache(21)
    logits = run(ours, (tokens[:cut], cache, 0))
    for position in range(cut, 21):
        logits += run(ours, ([tokens[position]], cache, position))
    close(torch.cat(logits), whole)


def test_prompts_of_different_lengths_and_steps_share_a_forward(save_hybrid: Any, run: Any) -> None:
    folder = save_hybrid()
    ours = network(folder)
    prompts = [draw(length, seed) for seed, length in enumerate([5, 1, 23, 8])]
    begun = [7, 0, 0, 12]
    caches = [ours.make_cache(40) for _ in prompts]
    earlier = [draw(length, 10 + seed) for seed, length in enumerate(begun)]
    for tokens, cache in zip(earlier, caches, strict=True):
        if tokens:
            run(ours, (tokens, cache, 0))
    logits = run(ours, *zip(prompts, caches, begun, strict=True))
    singles = run(ours, *(([3], cache, begun[i] + len(prompts[i])) for i, cache in enumerate(caches)))
    for index, prompt in enumerate(prompts):
        tokens = earlier[index] + prompt + [3]
        expected = transformers_logits(folder, tokens)
        close(logits[index], expected[begun[index] : -1])
        close(singles[index], expected[-1:])


def test_a_step_below_time_step_min_follows_nvidia_and_not_transformers(save_hybrid: Any, run: Any) -> None:
    # transformers 5.23 clamps dt to time_step_min in its scan, and NVIDIA's own code does not.
    shape = {"hybrid_override_pattern": "MM", "initializer_range": 0.05}
    folders = {low: save_hybrid(**shape, time_step_min=low) for low in (1e-30, 0.5)}
    tokens = draw(30)
    clamped, free = (transformers_logits(folders[low], tokens) for low in (0.5, 1e-30))
    assert float((clamped - free).abs().max() / free.std()) > 1e-2
    ours = network(folders[0.5])
    (logits,) = run(ours, (tokens, ours.make_cache(30), 0))
    close(logits, free)


def test_only_the_rows_asked_for_get_logits(save_hybrid: Any, run: Any) -> None:
    ours, tokens = network(save_hybrid()), draw(6)
    (whole,) = run(ours, (tokens, ours.make_cache(6), 0))
    segment = Segment(cache=ours.make_cache(6), start=0, length=6, position=0)
    batch = Batch(
        token_ids=torch.tensor(tokens),
        positions=torch.arange(6),
        segments=(segment,),
        logit_rows=torch.tensor([5, 2]),
    )
    close(ours.forward(batch), whole[[5, 2]])
