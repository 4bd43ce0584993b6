"""Does each sampling setting do what its definition says?"""

import math
from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nemotron_backend.embedded.sampler import Sampler, candidates
from nemotron_backend.request import Sampling

_PLAIN = Sampling(
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
# Chi-square's 99.9 percent points; the seeds are fixed, so a pass is a pass for ever.
_CHI_SQUARE_999 = {3: 16.27, 7: 24.32, 11: 31.26}


def _logits(size: int, seed: int = 0) -> Tensor:
    return 2 * torch.randn(size, generator=torch.Generator().manual_seed(seed))


def _reference(logits: Tensor, sampling: Sampling, prompt: list[int], answer: list[int]) -> list[float]:
    """The distribution to draw from, in plain float64 Python, one setting after the other."""
    values = [float(value) for value in logits.double()]
    for token_id in set(prompt) | set(answer):
        penalty = sampling.repetition_penalty
        values[token_id] = values[token_id] / penalty if values[token_id] > 0 else values[token_id] * penalty
    for token_id, number in Counter(answer).items():
        values[token_id] -= sampling.presence_penalty + sampling.frequency_penalty * number
    for token_id, bias in sampling.logit_bias:
        values[token_id] += bias
    weights = [math.exp((value - max(values)) / sampling.temperature) for value in values]
    order = sorted(range(len(weights)), key=lambda token_id: -weights[token_id])
    kept = order[: sampling.top_k] if sampling.top_k else order
    total, mass = sum(weights[token_id] for token_id in kept), 0.0
    nucleus: list[int] = []
    for token_id in kept:
        if not nucleus or mass < sampling.top_p * total:
            nucleus.append(token_id)
        mass += weights[token_id]
    least = sampling.min_p * weights[order[0]]
    final = {token_id for token_id in nucleus if weights[token_id] >= least}
    total = sum(weights[token_id] for token_id in final)
    return [weight / total if token_id in final else 0.0 for token_id, weight in enumerate(weights)]


def _distribution(logits: Tensor, sampling: Sampling, prompt: list[int], answer: list[int]) -> list[float]:
    sampler = Sampler(sampling, prompt)
    for token_id in answer:
        sampler.observe(token_id)
    weights, ids = candidates(sampler.adjust(logits), sampling)
    spread = torch.zeros(len(logits), dtype=torch.float64)
    spread[ids if ids is not None else torch.arange(len(logits))] = weights.double()
    return [float(weight) for weight in spread / spread.sum()]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"temperature": 0.3},
        {"temperature": 3.0},
        {"top_k": 1},
        {"top_k": 7},
        {"top_k": 5000},
        {"top_p": 0.9},
        {"top_p": 0.01},
        {"temperature": 4.0, "top_p": 0.99},
        {"min_p": 0.1},
        {"top_k": 20, "top_p": 0.8},
        {"top_k": 20, "top_p": 0.8, "min_p": 0.2, "temperature": 1.5},
        {"repetition_penalty": 1.8},
        {"repetition_penalty": 0.7},
        {"presence_penalty": 1.5},
        {"frequency_penalty": 0.6},
        {"frequency_penalty": -0.6, "presence_penalty": 0.3, "repetition_penalty": 1.2},
        {"logit_bias": ((3, 4.0), (9, -100.0))},
    ],
    ids=str,
)
def test_the_distribution_is_the_references(changes: dict[str, object]) -> None:
    sampling = replace(_PLAIN, **changes)  # type: ignore[arg-type]
    logits = _logits(2000)
    prompt, answer = [1, 2, 3, 3, 50], [3, 4, 4, 4, 60]
    expected = _reference(logits, sampling, prompt, answer)
    assert _distribution(logits, sampling, prompt, answer) == pytest.approx(expected, abs=1e-6)


@settings(deadline=None, max_examples=200)
@given(
    size=st.integers(1, 1500),
    seed=st.integers(0, 10**6),
    temperature=st.floats(0.1, 5),
    top_p=st.floats(0, 1),
    top_k=st.integers(0, 1600),
    min_p=st.floats(0, 1),
)
def test_any_settings_leave_at_least_one_token_and_only_allowed_ones(
    size: int, seed: int, temperature: float, top_p: float, top_k: int, min_p: float
) -> None:
    sampling = replace(_PLAIN, temperature=temperature, top_p=top_p, top_k=top_k, min_p=min_p, seed=seed)
    logits = _logits(size, seed)
    got, expected = _distribution(logits, sampling, [], []), _reference(logits, sampling, [], [])
    # Float32 may put a token at the very edge of the nucleus on its other side.
    assert sum(abs(left - right) for left, right in zip(got, expected, strict=True)) <= 2.1 * max(
        (min(part for part in chosen if part) for chosen in (got, expected)), default=0
    )
    assert got[Sampler(sampling, []).draw(logits)] > 0


@pytest.mark.parametrize(
    ("changes", "num_kept"), [({}, 12), ({"top_k": 4}, 4), ({"temperature": 0.7, "top_k": 8}, 8)], ids=str
)
def test_draws_follow_the_distribution(changes: dict[str, object], num_kept: int) -> None:
    sampling = replace(_PLAIN, **changes)  # type: ignore[arg-type]
    logits, num_draws = _logits(12) / 2, 5000
    sampler = Sampler(sampling, [])
    drawn = Counter(sampler.draw(logits) for _ in range(num_draws))
    _check_chi_square(drawn, _reference(logits, sampling, [], []), num_kept)


def test_first_draws_of_successive_seeds_follow_the_distribution() -> None:
    """The choices of one request take seeds in a row, which must not make them alike."""
    logits = _logits(12) / 2
    drawn = Counter(Sampler(replace(_PLAIN, seed=seed), []).draw(logits) for seed in range(5000))
    _check_chi_square(drawn, _reference(logits, _PLAIN, [], []), 12)


def _check_chi_square(drawn: Counter[int], expected: list[float], num_kept: int) -> None:
    num_draws = drawn.total()
    wanted = {token_id: num_draws * part for token_id, part in enumerate(expected) if part}
    assert len(wanted) == num_kept
    assert drawn.keys() <= wanted.keys()
    statistic = sum((drawn[token_id] - count) ** 2 / count for token_id, count in wanted.items())
    assert statistic < _CHI_SQUARE_999[num_kept - 1]


def test_temperature_zero_takes_the_likeliest_after_penalties_and_bias() -> None:
    logits = torch.tensor([1.0, 5.0, 4.0, 3.5])
    greedy = replace(_PLAIN, temperature=0.0)
    assert Sampler(greedy, []).draw(logits) == 1
    assert Sampler(replace(greedy, repetition_penalty=2.0), [1]).draw(logits) == 2
    assert Sampler(replace(greedy, logit_bias=((0, 10.0),)), []).draw(logits) == 0


@pytest.mark.parametrize("temperature", [1e-30, 1e-6])
def test_a_tiny_temperature_takes_the_likeliest(temperature: float) -> None:
    assert Sampler(replace(_PLAIN, temperature=temperature), []).draw(torch.tensor([1.0, 2.0, 1.5])) == 1


def test_seeds_of_opposite_sign_differ() -> None:
    logits = torch.zeros(1000)
    draws = [Sampler(replace(_PLAIN, seed=seed), []).draw(logits) for seed in (-1, 1)]
    assert draws[0] != draws[1]


def test_sampling_leaves_the_logits_as_they_were() -> None:
    logits = _logits(100)
    before = logits.clone()
    settings = replace(_PLAIN, repetition_penalty=1.3, presence_penalty=0.5, logit_bias=((1, 2.0),))
    sampler = Sampler(settings, [1, 2])
    sampler.observe(5)
    sampler.draw(logits)
    assert torch.equal(logits, before)
