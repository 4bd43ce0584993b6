"""Does drafting beside the verifying say what left to right says, by the layout of its facts?

The reference below runs that layout in one full forward over all tokens, without a cache.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from nemotron_backend.request import GREEDY, Decoding, Forward, Sampling, Stopping

WARM = replace(GREEDY, temperature=1.0)
MASK = 5
MakeCore = Callable[..., Any]


def quadratic(block_length: int = 0, **changes: Any) -> Decoding:
    return Decoding(block_length=block_length, drafting="quadratic", **changes)


def prompts(count: int) -> list[list[int]]:
    rng = random.Random(8)
    return [[rng.randrange(6, 24) for _ in range(rng.randint(1, 40))] for _ in range(count)]


def stopping(max_tokens: int = 40, **changes: Any) -> Stopping:
    fields: dict[str, Any] = {"strings": (), "token_ids": (), "ignore_eos": True} | changes
    return Stopping(max_tokens=max_tokens, **fields)


class Reference:
    """Rows of a drafted token and masks behind all clean tokens, each row's masks with the row's own view."""

    def __init__(self, trained: Any, block_length: int) -> None:
        self._trained = trained
        self._block_length = block_length

    def drafts(self, prompt: Sequence[int], num_cycles: int) -> tuple[list[int], list[list[int]]]:
        """The answer's tokens, and each draft behind its known token."""
        said, ahead = self._run(prompt[:-1], prompt[-1:])
        answer, drafts = [said[0]], [ahead[0]]
        for _ in range(num_cycles):
            drafted = drafts[-1]
            said, ahead = self._run([*prompt, *answer[:-1]], [answer[-1], *drafted])
            right = 0
            while right < len(drafted) and said[right] == drafted[right]:
                right += 1
            answer += [*drafted[:right], said[right]]
            drafts.append(ahead[right])
        return answer, drafts

    def _run(self, clean: Sequence[int], firsts: Sequence[int]) -> tuple[list[int], list[list[int]]]:
        """What is said after each row's first token, and what its masks but the first would become."""
        size, start = self._block_length + 1, len(clean)
        ids = torch.tensor([*clean, *(t for first in firsts for t in (first, *[MASK] * (size - 1)))])
        row = torch.cat((torch.full((start,), -1), torch.arange(len(firsts)).repeat_interleave(size)))
        place = torch.cat((torch.arange(start), torch.arange(size).repeat(len(firsts))))
        is_mask = (row >= 0) & (place > 0)
        positions = torch.where(row < 0, place, start + row + place)
        sees_clean = (row >= 0)[:, None] & (row < 0)
        sees_earlier = (row < 0)[:, None] & (row < 0) & (positions[:, None] >= positions)
        sees_firsts = (row >= 0)[:, None] & (row >= 0) & ~is_mask & (row[:, None] >= row)
        sees_own = is_mask[:, None] & (row[:, None] == row)
        mask = sees_clean | sees_earlier | sees_firsts | sees_own
        with torch.inference_mode():
            hidden = self._trained(ids[None], positions[None], mask[None, None])
            logits = self._trained.diffusion_head(hidden)[0, start:].unflatten(0, (len(firsts), size))
        said: list[int] = logits[:, 0].argmax(-1).tolist()
        logits = logits.clone()
        logits[:, :, MASK] = -torch.inf
        ahead: list[list[int]] = logits[:, 2:].argmax(-1).tolist()
        return said, ahead


def states(trace: Sequence[Forward], state: str) -> list[list[int]]:
    """The tokens of one state, by forward, where there are any."""
    found = ([token.id for token in forward.tokens if token.state == state] for forward in trace)
    return [tokens for tokens in found if tokens]


@pytest.mark.parametrize("block_length", [2, 4, 7])
def test_tokens_and_drafts_are_those_of_the_slow_reference(
    mode_core: MakeCore, tri_mode: Any, block_length: int
) -> None:
    core, reference = mode_core(), Reference(tri_mode.trained, block_length)
    for prompt in prompts(6):
        answer, drafts = reference.drafts(prompt, 6)
        found = core.answer(
            prompt, "self-speculation", decoding=quadratic(block_length), stopping=stopping(80)
        )
        assert found.ids[: len(answer)] == answer
        assert states(found.trace, "drafted")[: len(drafts)] == drafts


@pytest.mark.parametrize("sampling", [GREEDY, WARM], ids=["greedy", "sampled"])
def test_a_hundred_prompts_get_the_tokens_of_left_to_right_alone_and_together(
    mode_core: MakeCore, sampling: Sampling
) -> None:
    alone, together, wanted = mode_core(), mode_core(), {}
    for number, prompt in enumerate(prompts(100)):
        seeded = replace(sampling, seed=number)
        wanted[number] = alone.answer(prompt, "autoregressive", sampling=seeded).ids
        decoding = quadratic((0, 2, 4, 8)[number % 4])
        if number % 3 == 0:
            found = alone.answer(prompt, "self-speculation", sampling=seeded, decoding=decoding)
            assert found.ids == wanted[number]
        if number % 5 == 0:
            decoding = replace(decoding, drafting="linear")
        together.submit(number, prompt, "self-speculation", sampling=seeded, decoding=decoding)
    together.finish()
    assert {number: run.ids for (number, _), run in together.runs.items()} == wanted


def test_a_draft_of_a_random_network_is_accepted_at_times_and_refused_at_times(mode_core: MakeCore) -> None:
    core, accepted, rejected = mode_core(), 0, 0
    for prompt in prompts(20):
        run = core.answer(prompt, "self-speculation", decoding=quadratic(4))
        accepted += sum(map(len, states(run.trace, "accepted")))
        rejected += sum(map(len, states(run.trace, "rejected")))
    assert accepted > 20
    assert rejected > 20


def test_every_forward_gives_a_token_and_drafts_need_none_of_their_own(mode_core: MakeCore) -> None:
    core = mode_core()
    for prompt in prompts(10):
        run = core.answer(prompt, "self-speculation", decoding=quadratic(4))
        kinds = Counter(forward.kind for forward in run.trace)
        assert kinds["draft"] == 0
        assert run.usage.forwards == kinds["verify"] + kinds["decode"] < len(run.ids)


@pytest.mark.parametrize("max_tokens", [1, 2, 3, 4, 9, 33])
def test_max_tokens_is_exact(mode_core: MakeCore, max_tokens: int) -> None:
    core = mode_core()
    for prompt in prompts(4):
        wanted = core.answer(prompt, "autoregressive", stopping=stopping(max_tokens))
        found = core.answer(prompt, "self-speculation", stopping=stopping(max_tokens), decoding=quadratic(8))
        assert found.ids == wanted.ids
        assert len(found.ids) == max_tokens


@pytest.mark.parametrize("ends", [{"ignore_eos": False}, {"strings": ("gh", "kk", "qs")}])
def test_ends_logprobs_and_stops_are_the_same(mode_core: MakeCore, ends: dict[str, Any]) -> None:
    core, finishes = mode_core(), Counter[str]()
    for number, prompt in enumerate(prompts(30)):
        asked = {
            "sampling": replace(WARM, seed=number),
            "stopping": stopping(60, **ends),
            "num_top_logprobs": 2,
        }
        wanted = core.answer(prompt, "autoregressive", **asked)
        found = core.answer(prompt, "self-speculation", decoding=quadratic(4), **asked)
        assert (found.tokens, found.text, found.finish) == (wanted.tokens, wanted.text, wanted.finish)
        finishes[found.finish] += 1
    assert finishes["stop"] > 5


def test_long_prompts_in_parts_end_with_a_first_draft(mode_core: MakeCore) -> None:
    core = mode_core(prefill_chunk=7)
    prompt = prompts(1)[0] * 3
    run = core.answer(prompt, "self-speculation", decoding=quadratic(4))
    drafted = [bool(states([forward], "drafted")) for forward in run.trace if forward.kind == "prefill"]
    assert drafted == [False] * (len(drafted) - 1) + [True]
    assert run.ids == mode_core().answer(prompt, "autoregressive").ids
