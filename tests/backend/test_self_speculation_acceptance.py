"""Do both rules of acceptance keep the distribution of left to right?

Every statistic is a chi-square, its bound the value that one right sample in a thousand passes, and its power
is computed beside it: how often a distribution that leans a little to the drafts would be found.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from nemotron_backend.embedded.decode.acceptance import choose
from nemotron_backend.embedded.sampler import Sampler
from nemotron_backend.request import Acceptance, Decoding, Drafting, Sampling, Stopping

WARM = Sampling(
    temperature=1.0,
    top_p=1.0,
    top_k=0,
    min_p=0.0,
    repetition_penalty=1.0,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    logit_bias=(),
    seed=0,
)
PROMPT, PLACE, VOCABULARY = [7, 9, 20], 2, 24
MakeCore = Callable[..., Any]
Row = NDArray[np.float64]


def chi_square(counts: Row, wanted: Row) -> Row:
    """Of counts [..., tokens] against the chances of tokens."""
    expected = wanted * counts.sum(-1, keepdims=True)
    found: Row = ((counts - expected) ** 2 / np.maximum(expected, 1e-12)).sum(-1)
    return found


def bound(wanted: Row, num_draws: int) -> float:
    """What one right sample in a thousand passes, from twenty thousand right samples."""
    samples = np.random.default_rng(1).multinomial(num_draws, wanted, size=20_000).astype(np.float64)
    return float(np.quantile(chi_square(samples, wanted), 0.999))


def power(wanted: Row, other: Row, num_draws: int) -> float:
    """How often a sample of another distribution passes the bound."""
    samples = np.random.default_rng(2).multinomial(num_draws, other, size=2_000).astype(np.float64)
    return float((chi_square(samples, wanted) > bound(wanted, num_draws)).mean())


def exact(case: Any, temperature: float) -> Row:
    """The chance of each token at a place of the answer, over all beginnings of it."""
    tokens = torch.cartesian_prod(*[torch.arange(VOCABULARY)] * PLACE)
    ids = torch.cat((torch.tensor(PROMPT).repeat(len(tokens), 1), tokens), dim=1)
    seen = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).tril()
    with torch.inference_mode():
        hidden = case.trained(ids, torch.arange(ids.shape[1])[None], seen[None, None])
        chances = (case.trained.diffusion_head(hidden).double() / temperature).softmax(-1)
    weight = torch.ones(len(ids), dtype=torch.float64)
    for place in range(PLACE):
        row = len(PROMPT) - 1 + place
        weight *= chances[torch.arange(len(ids)), row, tokens[:, place]]
    total: Row = (weight[:, None] * chances[:, len(PROMPT) - 1 + PLACE]).sum(0).numpy()
    scaled: Row = total / total.sum()
    return scaled


def drawn(core: Any, decoding: Decoding, num_draws: int) -> tuple[Row, Counter[str]]:
    """How often each token stands at the place, and what became of drafted tokens."""
    stopping = Stopping(max_tokens=PLACE + 2, strings=(), token_ids=(), ignore_eos=True)
    for number in range(num_draws):
        core.submit(
            number,
            PROMPT,
            "self-speculation",
            decoding=decoding,
            stopping=stopping,
            sampling=replace(WARM, seed=number),
        )
    core.finish()
    counts = np.zeros(VOCABULARY)
    states = Counter[str]()
    for run in core.runs.values():
        counts[run.ids[PLACE]] += 1
        states.update(token.state for forward in run.trace for token in forward.tokens)
    return counts, states


@pytest.mark.parametrize(
    ("acceptance", "drafting", "threshold"),
    [
        ("match", "linear", 0.0),
        ("rejection", "linear", 0.0),
        ("rejection", "linear", 0.5),
        ("rejection", "quadratic", 0.0),
    ],
)
def test_a_place_of_the_answer_has_the_distribution_of_left_to_right(
    mode_core: MakeCore, tri_mode: Any, acceptance: Acceptance, drafting: Drafting, threshold: float
) -> None:
    """Where one answer in three took its token elsewhere, 99 runs in 100 would find it."""
    num_draws = 1_000
    decoding = Decoding(block_length=4, threshold=threshold, drafting=drafting, acceptance=acceptance)
    counts, states = drawn(mode_core(max_waiting=10_000), decoding, num_draws)
    wanted = exact(tri_mode, 1.0)
    other = (2 * wanted + np.roll(wanted, 1)) / 3
    assert power(wanted, other, num_draws) > 0.99
    assert chi_square(counts, wanted) < bound(wanted, num_draws)
    assert min(states["accepted"], states["rejected"]) > 200


def _naive(sampler: Sampler, wanted: torch.Tensor, drafted: int, chances: torch.Tensor) -> int:
    """The wrong rule nearest to the right one: after a rejection it draws from all of what is wanted."""
    if sampler.uniform() * float(chances[drafted]) < float(wanted[drafted]):
        return drafted
    return sampler.pick(wanted)


def test_rejection_gives_what_is_wanted_and_the_test_would_find_a_rule_that_is_nearly_right() -> None:
    generator, num_draws = torch.Generator().manual_seed(3), 20_000
    wanted = torch.randn(6, generator=generator).softmax(0).double()
    chances = torch.randn(6, generator=generator).softmax(0).double()
    sampler = Sampler(WARM, ())
    counts, naive, accepted = np.zeros(6), np.zeros(6), 0
    for _ in range(num_draws):
        drafted = sampler.pick(chances)
        token_id = choose(sampler, wanted, drafted, chances)
        counts[token_id] += 1
        accepted += token_id == drafted
        naive[_naive(sampler, wanted, drafted, chances)] += 1
    assert chi_square(counts, wanted.numpy()) < bound(wanted.numpy(), num_draws)
    assert chi_square(naive, wanted.numpy()) > 2 * bound(wanted.numpy(), num_draws)
    # The most that any rule can accept is what the two distributions have in common.
    common = float(torch.minimum(wanted, chances).sum())
    assert accepted / num_draws == pytest.approx(common, abs=0.015)


def test_a_certain_draft_stands_with_its_own_chance() -> None:
    wanted = torch.tensor([0.1, 0.6, 0.3], dtype=torch.float64)
    sampler, counts = Sampler(WARM, ()), np.zeros(3)
    for _ in range(10_000):
        counts[choose(sampler, wanted, 1, None)] += 1
    assert chi_square(counts, wanted.numpy()) < bound(wanted.numpy(), 10_000)


def test_rejection_accepts_more_than_match(mode_core: MakeCore) -> None:
    rates = {}
    for acceptance in ("match", "rejection"):
        decoding = Decoding(block_length=4, acceptance=acceptance)
        _, states = drawn(mode_core(max_waiting=10_000), decoding, 400)
        rates[acceptance] = states["accepted"] / (states["accepted"] + states["rejected"])
    assert rates["rejection"] > 1.1 * rates["match"]


@pytest.mark.parametrize("drafting", ["linear", "quadratic"])
def test_rejection_at_temperature_0_is_left_to_right_and_a_seed_repeats_itself(
    mode_core: MakeCore, drafting: Drafting
) -> None:
    rng, alone, together = random.Random(3), mode_core(), mode_core()
    decoding, wanted = Decoding(block_length=4, drafting=drafting, acceptance="rejection"), {}
    for number in range(20):
        prompt = [rng.randrange(6, 24) for _ in range(rng.randint(1, 20))]
        greedy = alone.answer(prompt, "autoregressive").ids
        assert alone.answer(prompt, "self-speculation", decoding=decoding).ids == greedy
        sampling = replace(WARM, seed=number)
        asked: dict[str, Any] = {"decoding": decoding, "sampling": sampling}
        wanted[number, 0] = alone.answer(prompt, "self-speculation", **asked).ids
        together.submit(number, prompt, "self-speculation", **asked)
    together.finish()
    assert {key: run.ids for key, run in together.runs.items()} == wanted
