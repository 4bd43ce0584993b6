"""Does self-speculation say what token-by-token decoding says, whatever it drafts?"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from nemotron_backend.embedded.decode.pace import Pace
from nemotron_backend.request import GREEDY, Decoding, Forward, Sampling, Stopping

WARM = replace(GREEDY, temperature=1.0)
MakeCore = Callable[..., Any]


def prompts(count: int) -> list[list[int]]:
    rng = random.Random(4)
    return [[rng.randrange(6, 24) for _ in range(rng.randint(1, 40))] for _ in range(count)]


def stopping(max_tokens: int = 40, **changes: Any) -> Stopping:
    fields: dict[str, Any] = {"strings": (), "token_ids": (), "ignore_eos": True} | changes
    return Stopping(max_tokens=max_tokens, **fields)


def states(trace: Sequence[Forward], state: str) -> int:
    return sum(token.state == state for forward in trace for token in forward.tokens)


@pytest.mark.parametrize("sampling", [GREEDY, WARM], ids=["greedy", "sampled"])
def test_a_hundred_prompts_get_the_tokens_of_left_to_right_alone_and_together(
    mode_core: MakeCore, sampling: Sampling
) -> None:
    """Sampled too: the random numbers are the same, so equal distributions show as equal tokens."""
    alone, together = mode_core(), mode_core()
    wanted = {}
    for number, prompt in enumerate(prompts(100)):
        seeded = replace(sampling, seed=number)
        wanted[number] = alone.answer(prompt, "autoregressive", sampling=seeded).ids
        block = (0, 2, 8, 32)[number % 4]
        decoding = Decoding(block_length=block)
        found = alone.answer(prompt, "self-speculation", sampling=seeded, decoding=decoding)
        assert found.ids == wanted[number]
        together.submit(number, prompt, "self-speculation", sampling=seeded, decoding=decoding)
    together.finish()
    assert {number: run.ids for (number, _), run in together.runs.items()} == wanted


def test_a_draft_of_a_random_network_is_accepted_at_times_and_refused_at_times(mode_core: MakeCore) -> None:
    """What makes the tests of equal tokens worth something."""
    core, accepted, rejected = mode_core(), 0, 0
    for prompt in prompts(20):
        run = core.answer(prompt, "self-speculation", decoding=Decoding(block_length=8))
        accepted += states(run.trace, "accepted")
        rejected += states(run.trace, "rejected")
    assert accepted > 20
    assert rejected > 20


@pytest.mark.parametrize("changes", [{"repetition_penalty": 1.7}, {"frequency_penalty": 1.5, "top_p": 0.8}])
def test_penalties_see_accepted_tokens(mode_core: MakeCore, changes: dict[str, Any]) -> None:
    core, sampling = mode_core(), replace(WARM, **changes)
    for prompt in prompts(30):
        wanted = core.answer(prompt, "autoregressive", sampling=sampling)
        found = core.answer(prompt, "self-speculation", sampling=sampling, decoding=Decoding(block_length=8))
        assert found.ids == wanted.ids


def test_logprobs_are_those_of_left_to_right(mode_core: MakeCore) -> None:
    core = mode_core()
    for prompt in prompts(10):
        wanted = core.answer(prompt, "autoregressive", num_top_logprobs=3)
        found = core.answer(prompt, "self-speculation", num_top_logprobs=3)
        assert found.tokens == wanted.tokens


@pytest.mark.parametrize(
    "ends", [{"ignore_eos": False}, {"strings": ("gh", "kk", "qs")}, {"token_ids": (7, 9)}]
)
def test_ends_and_stops_cut_the_same(mode_core: MakeCore, ends: dict[str, Any]) -> None:
    core, finishes = mode_core(), Counter[str]()
    for number, prompt in enumerate(prompts(60)):
        settings = {"sampling": replace(WARM, seed=number), "stopping": stopping(60, **ends)}
        wanted = core.answer(prompt, "autoregressive", **settings)
        found = core.answer(prompt, "self-speculation", decoding=Decoding(block_length=16), **settings)
        assert (found.ids, found.text, found.finish) == (wanted.ids, wanted.text, wanted.finish)
        assert found.usage.completion_tokens == wanted.usage.completion_tokens
        finishes[found.finish] += 1
    assert finishes["stop"] > 5


@pytest.mark.parametrize("max_tokens", [1, 2, 3, 7, 8, 9, 33])
def test_max_tokens_is_exact(mode_core: MakeCore, max_tokens: int) -> None:
    core = mode_core()
    for prompt in prompts(5):
        wanted = core.answer(prompt, "autoregressive", stopping=stopping(max_tokens))
        found = core.answer(prompt, "self-speculation", stopping=stopping(max_tokens))
        assert found.ids == wanted.ids
        assert len(found.ids) == max_tokens


@pytest.mark.parametrize("threshold", [0.3, 1.0])
def test_a_draft_with_a_threshold_takes_more_forwards_and_says_the_same(
    mode_core: MakeCore, threshold: float
) -> None:
    core, prompt = mode_core(), prompts(1)[0]
    once = core.answer(prompt, "self-speculation", decoding=Decoding(block_length=8))
    often = core.answer(prompt, "self-speculation", decoding=Decoding(block_length=8, threshold=threshold))
    assert often.ids == once.ids
    kinds = Counter(forward.kind for forward in often.trace)
    assert kinds["draft"] > kinds["verify"]


def test_the_trace_tells_the_answer_and_every_forward(mode_core: MakeCore) -> None:
    core = mode_core()
    for prompt in prompts(20):
        run = core.answer(prompt, "self-speculation")
        said: dict[int, int] = {}
        for forward in run.trace:
            for token in forward.tokens:
                if token.state in ("accepted", "bonus"):
                    assert token.position not in said
                    said[token.position] = token.id
        assert [said[position] for position in range(len(said))] == run.ids
        kinds = Counter(forward.kind for forward in run.trace)
        assert run.usage.forwards == sum(kinds.values()) - kinds["prefill"]
        assert kinds["draft"] == kinds["verify"]
        assert states(run.trace, "drafted") == sum(
            token.state in ("accepted", "rejected")
            for forward in run.trace
            if forward.kind == "verify"
            for token in forward.tokens
        )


def test_a_cache_after_self_speculation_serves_the_next_turn(mode_core: MakeCore) -> None:
    prompt = prompts(1)[0]
    core = mode_core()
    first = core.answer(prompt, "self-speculation")
    turn = [*prompt, *first.ids, 8, 9]
    again, fresh = core.answer(turn, "self-speculation"), mode_core().answer(turn, "self-speculation")
    assert again.ids == fresh.ids
    assert again.usage.cached_tokens == len(prompt) + len(first.ids) - 1


def _speed(pace: Pace, is_accepted: Callable[[], bool], longest: int = 16) -> float:
    """Tokens for the cost of a forward over one, where a forward over k costs 1 + (k - 1) / 24."""
    tokens, cost = 0, 0.0
    while tokens < 4000:
        length = pace.length(longest)
        if length == 1:
            tokens, cost = tokens + 1, cost + 1
            continue
        right = 0
        while right < length - 1 and is_accepted():
            right += 1
        pace.learn(length - 1, right)
        tokens, cost = tokens + right + 1, cost + 2 * (1 + (length - 1) / 24)
    return tokens / cost


def test_text_that_cannot_be_drafted_costs_a_few_forwards_in_a_hundred() -> None:
    assert _speed(Pace(), lambda: False) > 0.96


def test_text_that_can_be_drafted_is_drafted_in_whole_blocks() -> None:
    assert _speed(Pace(), lambda: True) > 0.99 * 16 / (2 * (1 + 15 / 24))


@pytest.mark.parametrize("chance", [0.3, 0.5, 0.7, 0.9])
def test_the_pace_is_near_the_best_fixed_length(chance: float) -> None:
    rng = random.Random(5)
    best = 1.0
    for length in (2, 4, 8, 16):
        expected = sum(chance**place for place in range(length))
        best = max(best, expected / (2 * (1 + (length - 1) / 24)))
    assert _speed(Pace(), lambda: rng.random() < chance) > 0.85 * best
