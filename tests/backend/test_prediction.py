"""Does a hybrid that drafts by its own block say what token-by-token decoding says?"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nemotron_backend.model.nemotron_h import NemotronH
from nemotron_backend.model.nemotron_h_checkpoint import NemotronHCheckpoint
from nemotron_backend.request import GREEDY, Decoding, Forward, Sampling, Stopping

WARM = replace(GREEDY, temperature=1.0)
MakeCore = Callable[..., Any]


@pytest.fixture
def network(save_predicting_hybrid: Any) -> NemotronH:
    folder: Path = save_predicting_hybrid(hybrid_override_pattern="ME*M")
    return NemotronHCheckpoint.open(folder).network("full", "bf16")


@pytest.fixture
def hybrid_core(network: NemotronH, core_over: MakeCore) -> MakeCore:
    return lambda **changes: core_over(network, **changes)


def prompts(count: int) -> list[list[int]]:
    rng = random.Random(4)
    return [[rng.randrange(6, 24) for _ in range(rng.randint(1, 40))] for _ in range(count)]


def stopping(max_tokens: int = 30, **changes: Any) -> Stopping:
    fields: dict[str, Any] = {"strings": (), "token_ids": (), "ignore_eos": True} | changes
    return Stopping(max_tokens=max_tokens, **fields)


def states(trace: Sequence[Forward], state: str) -> int:
    return sum(token.state == state for forward in trace for token in forward.tokens)


@pytest.mark.parametrize("sampling", [GREEDY, WARM], ids=["greedy", "sampled"])
def test_two_hundred_prompts_get_the_tokens_of_left_to_right_alone_and_together(
    hybrid_core: MakeCore, sampling: Sampling
) -> None:
    """Sampled too: the random numbers are the same, so equal distributions show as equal tokens."""
    alone, together = hybrid_core(keeps_prefixes=False), hybrid_core()
    wanted = {}
    for number, prompt in enumerate(prompts(200)):
        seeded = {"sampling": replace(sampling, seed=number), "stopping": stopping(16)}
        wanted[number] = alone.answer(prompt, "autoregressive", **seeded).ids
        decoding = Decoding(block_length=(0, 2, 6, 13)[number % 4])
        assert alone.answer(prompt, "self-speculation", decoding=decoding, **seeded).ids == wanted[number]
        together.submit(number, prompt, "self-speculation", decoding=decoding, **seeded)
    together.finish()
    assert {number: run.ids for (number, _), run in together.runs.items()} == wanted


def test_drafts_are_accepted_at_times_and_refused_at_times(hybrid_core: MakeCore) -> None:
    """What makes the tests of equal tokens worth something."""
    core, accepted, rejected = hybrid_core(), 0, 0
    for prompt in prompts(12):
        run = core.answer(prompt, "self-speculation", decoding=Decoding(block_length=6))
        accepted += states(run.trace, "accepted")
        rejected += states(run.trace, "rejected")
    assert accepted > 100
    assert rejected > 100


def test_a_draft_of_several_tokens_stands_whole_at_times(hybrid_core: MakeCore) -> None:
    core, lengths = hybrid_core(), Counter[int]()
    for prompt in prompts(8):
        run = core.answer(prompt, "self-speculation", decoding=Decoding(block_length=4))
        lengths.update(states([forward], "accepted") for forward in run.trace if forward.kind == "verify")
    assert all(lengths[length] for length in range(4)), lengths


@pytest.mark.parametrize("changes", [{"repetition_penalty": 1.7}, {"frequency_penalty": 1.5, "top_p": 0.8}])
def test_penalties_see_accepted_tokens(hybrid_core: MakeCore, changes: dict[str, Any]) -> None:
    core, sampling = hybrid_core(), replace(WARM, **changes)
    for prompt in prompts(10):
        wanted = core.answer(prompt, "autoregressive", sampling=sampling)
        assert core.answer(prompt, "self-speculation", sampling=sampling).ids == wanted.ids


def test_logprobs_are_those_of_left_to_right(hybrid_core: MakeCore) -> None:
    core = hybrid_core(keeps_prefixes=False)
    for prompt in prompts(5):
        wanted = core.answer(prompt, "autoregressive", num_top_logprobs=3)
        assert core.answer(prompt, "self-speculation", num_top_logprobs=3).tokens == wanted.tokens


@pytest.mark.parametrize(
    "ends", [{"ignore_eos": False}, {"strings": ("gh", "kk", "qs")}, {"token_ids": (7, 9)}]
)
def test_ends_and_stops_cut_the_same(hybrid_core: MakeCore, ends: dict[str, Any]) -> None:
    core, finishes = hybrid_core(), Counter[str]()
    for number, prompt in enumerate(prompts(15)):
        settings = {"sampling": replace(WARM, seed=number), "stopping": stopping(60, **ends)}
        wanted = core.answer(prompt, "autoregressive", **settings)
        found = core.answer(prompt, "self-speculation", **settings)
        assert (found.ids, found.text, found.finish) == (wanted.ids, wanted.text, wanted.finish)
        assert found.usage.completion_tokens == wanted.usage.completion_tokens
        finishes[found.finish] += 1
    assert finishes["stop"] > 1


@pytest.mark.parametrize("max_tokens", [1, 2, 6, 7, 20])
def test_max_tokens_is_exact(hybrid_core: MakeCore, max_tokens: int) -> None:
    core = hybrid_core()
    for prompt in prompts(3):
        wanted = core.answer(prompt, "autoregressive", stopping=stopping(max_tokens))
        found = core.answer(prompt, "self-speculation", stopping=stopping(max_tokens))
        assert found.ids == wanted.ids
        assert len(found.ids) == max_tokens


def test_the_trace_tells_the_answer_and_every_forward(hybrid_core: MakeCore) -> None:
    core = hybrid_core()
    for prompt in prompts(10):
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
        assert kinds["draft"] == kinds["verify"] > 0
        judged = [
            token.id
            for forward in run.trace
            if forward.kind == "verify"
            for token in forward.tokens
            if token.state in ("accepted", "rejected")
        ]
        drafted = [t.id for forward in run.trace if forward.kind == "draft" for t in forward.tokens]
        assert drafted == judged


def test_choices_of_one_prompt_are_those_of_left_to_right(hybrid_core: MakeCore) -> None:
    core = hybrid_core()
    prompt = prompts(8)[-1]
    for number, decode in enumerate(("autoregressive", "self-speculation")):
        core.submit(number, prompt, decode, sampling=WARM, num_choices=3)
    core.finish()
    assert [core.runs[1, index].ids for index in range(3)] == [core.runs[0, index].ids for index in range(3)]


def test_a_next_turn_goes_on_from_the_cache_and_drafts_what_a_fresh_one_drafts(hybrid_core: MakeCore) -> None:
    prompt = prompts(1)[0] * 2
    core = hybrid_core()
    first = core.answer(prompt, "self-speculation")
    turn = [*prompt, *first.ids, 8, 9]
    again, fresh = core.answer(turn, "self-speculation"), hybrid_core().answer(turn, "self-speculation")
    assert again.ids == fresh.ids
    assert again.usage.cached_tokens == len(prompt) + len(first.ids) - 1


def test_a_prompt_that_another_mode_read_is_drafted_on_from(hybrid_core: MakeCore) -> None:
    core, prompt = hybrid_core(), prompts(1)[0] * 2
    first = core.answer(prompt, "autoregressive")
    turn = [*prompt, *first.ids, 8, 9]
    found = core.answer(turn, "self-speculation")
    assert found.usage.cached_tokens > len(prompt)
    assert states(found.trace, "drafted") > 0
    assert found.ids == core.answer(turn, "autoregressive").ids


def test_cancelled_and_finished_answers_give_their_memory_back(
    hybrid_core: MakeCore, network: NemotronH
) -> None:
    core, rng = hybrid_core(keeps_prefixes=False, max_running=4), random.Random(7)
    wanted = {number: core.answer(prompt, "autoregressive").ids for number, prompt in enumerate(prompts(12))}
    assert core.core.memory.used_bytes == 0
    for number, prompt in enumerate(prompts(12)):
        core.submit(number, prompt, "self-speculation" if number % 3 else "autoregressive")
        for _ in range(rng.randrange(4)):
            core.step()
        if number % 4 == 3:
            core.core.abort(number - 1)
    core.finish()
    assert core.core.memory.used_bytes == 0
    for number in wanted:
        if number % 4 != 2:
            assert core.runs[number, 0].ids == wanted[number]


def test_no_cache_outgrows_what_was_reserved_for_it(hybrid_core: MakeCore) -> None:
    core = hybrid_core()
    core.submit(0, prompts(1)[0], "self-speculation", decoding=Decoding(block_length=13))
    while not core.core.is_idle:
        core.step()
        for sequence in core.core.scheduler.running:
            assert sum(layer.num_bytes for layer in sequence.cache) <= sequence.reserved_bytes


def test_drafts_that_stand_by_chance_leave_the_likeliest_answer_alone(hybrid_core: MakeCore) -> None:
    core, decoding = hybrid_core(), Decoding(acceptance="rejection")
    for prompt in prompts(5):
        wanted = core.answer(prompt, "autoregressive").ids
        assert core.answer(prompt, "self-speculation", decoding=decoding).ids == wanted
        warm = core.answer(prompt, "self-speculation", decoding=decoding, sampling=WARM)
        assert len(warm.ids) == 40


def test_quadratic_drafts_are_made_in_line_and_it_is_said(hybrid_core: MakeCore) -> None:
    core, prompt = hybrid_core(), prompts(1)[0]
    run = core.answer(prompt, "self-speculation", decoding=Decoding(drafting="quadratic"))
    assert run.ids == core.answer(prompt, "autoregressive").ids
    assert "no masks" in run.notice
