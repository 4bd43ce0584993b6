"""Does block diffusion do what its facts say, step by step?

The reference below decodes with one full forward over all tokens each time, and no cache.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from nemotron_backend.embedded.decode.block import Block, Guess
from nemotron_backend.embedded.sampler import Sampler
from nemotron_backend.request import GREEDY, Decoding, Stopping

MASK, END = 5, 0
MakeCore = Callable[..., Any]
DECODINGS = {
    "threshold": Decoding(block_length=8, threshold=0.9),
    "low threshold": Decoding(block_length=8, threshold=0.3),
    "one by one": Decoding(block_length=8, threshold=1.0),
    "all at once": Decoding(block_length=8, threshold=0.0),
    "fixed count": Decoding(block_length=8, num_steps=3),
    "a step a token": Decoding(block_length=4, num_steps=4),
    "leftmost": Decoding(block_length=8, threshold=0.5, order="leftmost"),
    "leftmost count": Decoding(block_length=16, num_steps=4, order="leftmost"),
}


def prompts(count: int) -> list[list[int]]:
    rng = random.Random(6)
    return [[rng.randrange(6, 24) for _ in range(rng.randint(1, 30))] for _ in range(count)]


def stopping(max_tokens: int = 24, **changes: Any) -> Stopping:
    fields: dict[str, Any] = {"strings": (), "token_ids": (), "ignore_eos": True} | changes
    return Stopping(max_tokens=max_tokens, **fields)


def reference(
    slowly: Callable[..., Tensor], prompt: Sequence[int], decoding: Decoding, num_tokens: int, *, stops: bool
) -> tuple[list[int], int]:
    """Tokens and forwards after the prefill, as the facts have them, at temperature 0."""
    answer = [int(slowly(prompt)[-1].argmax())]
    forwards = 0
    while len(answer) < num_tokens and not (stops and END in answer):
        block = [answer[-1]] + [MASK] * (decoding.block_length - 1)
        prefix = [*prompt, *answer[:-1]]
        for step in range(decoding.block_length):
            masked = [place for place, token in enumerate(block) if token == MASK]
            final = block[: masked[0]] if masked else block
            if not masked or (stops and END in final[1:]):
                break
            logits = slowly([*prefix, *block], len(block))[len(prefix) :]
            forwards += 1
            reveal(block, logits, masked, decoding, step)
        answer += block[1:]
        if (stops and END in answer) or len(answer) >= num_tokens:
            break
        answer.append(int(slowly([*prompt, *answer])[-1].argmax()))
        forwards += 1
    answer = answer[:num_tokens]
    return (answer[: answer.index(END) + 1] if stops and END in answer else answer), forwards


def reveal(block: list[int], logits: Tensor, masked: list[int], decoding: Decoding, step: int) -> None:
    found = {}
    for place in masked:
        row = logits[place].clone()
        row[MASK] = -math.inf
        found[place] = (int(row.argmax()), float(logits[place].softmax(0)[row.argmax()]))
    ranked = masked if decoding.order == "leftmost" else sorted(masked, key=lambda place: -found[place][1])
    if decoding.num_steps:
        left = len(block) - 1
        counts = [
            left // decoding.num_steps + (k < left % decoding.num_steps) for k in range(decoding.num_steps)
        ]
        chosen = ranked[: counts[step]]
    elif decoding.order == "leftmost":
        unsure = [rank for rank, place in enumerate(ranked) if found[place][1] < decoding.threshold]
        chosen = ranked[: max(1, unsure[0] if unsure else len(ranked))]
    else:
        sure = {place for place in ranked if found[place][1] >= decoding.threshold}
        chosen = list({ranked[0], *sure})
    for place in chosen:
        block[place] = found[place][0]


@pytest.mark.parametrize("decoding", DECODINGS.values(), ids=DECODINGS)
def test_tokens_and_forwards_are_those_of_the_slow_reference(
    mode_core: MakeCore, tri_mode: Any, decoding: Decoding
) -> None:
    core = mode_core()
    for prompt in prompts(8):
        wanted, _ = reference(tri_mode.slowly, prompt, decoding, 25, stops=False)
        found = core.answer(prompt, "diffusion", decoding=decoding, stopping=stopping(25))
        assert found.ids == wanted


@pytest.mark.parametrize("decoding", [DECODINGS["threshold"], DECODINGS["low threshold"]])
def test_whole_blocks_take_the_forwards_of_the_reference(
    mode_core: MakeCore, tri_mode: Any, decoding: Decoding
) -> None:
    """Of an answer that ends with a block: 1 and two times 8 tokens, the first of which are known."""
    core = mode_core()
    for prompt in prompts(8):
        _, forwards = reference(tri_mode.slowly, prompt, decoding, 16, stops=False)
        found = core.answer(prompt, "diffusion", decoding=decoding, stopping=stopping(16))
        last = found.trace[-1]
        assert (found.usage.forwards, last.kind) == (forwards, "denoise")


def test_an_end_stops_as_soon_as_no_mask_is_before_it(mode_core: MakeCore, tri_mode: Any) -> None:
    core, decoding, num_ended = mode_core(), DECODINGS["low threshold"], 0
    for prompt in prompts(40):
        wanted, forwards = reference(tri_mode.slowly, prompt, decoding, 48, stops=True)
        found = core.answer(prompt, "diffusion", decoding=decoding, stopping=stopping(48, ignore_eos=False))
        if found.finish == "stop":
            num_ended += 1
            assert [*found.ids, END] == wanted
            assert found.usage.forwards == forwards
        else:
            assert found.ids == wanted
    assert num_ended >= 5


def test_blocks_together_are_blocks_alone(mode_core: MakeCore) -> None:
    alone, together, wanted = mode_core(), mode_core(), {}
    sampling = replace(GREEDY, temperature=0.8, top_p=0.95)
    for number, prompt in enumerate(prompts(40)):
        settings = {
            "sampling": replace(sampling, seed=number),
            "decoding": list(DECODINGS.values())[number % len(DECODINGS)],
        }
        wanted[number, 0] = alone.answer(prompt, "diffusion", **settings).ids
        together.submit(number, prompt, "diffusion", **settings)
    together.finish()
    assert {key: run.ids for key, run in together.runs.items()} == wanted


def test_fewer_tokens_are_the_beginning_of_more(mode_core: MakeCore) -> None:
    core = mode_core()
    for prompt in prompts(5):
        whole = core.answer(prompt, "diffusion", stopping=stopping(40)).ids
        for most in (1, 2, 8, 9, 30):
            assert core.answer(prompt, "diffusion", stopping=stopping(most)).ids == whole[:most]


def test_the_trace_tells_the_answer_and_every_forward(mode_core: MakeCore) -> None:
    core = mode_core()
    for prompt in prompts(10):
        run = core.answer(prompt, "diffusion", decoding=DECODINGS["threshold"])
        said: dict[int, int] = {}
        for forward in run.trace:
            for token in forward.tokens:
                assert token.position not in said
                said[token.position] = token.id
        assert [said[position] for position in range(len(run.ids))] == run.ids
        kinds = Counter(forward.kind for forward in run.trace)
        assert run.usage.forwards == kinds["denoise"] + kinds["commit"]


def test_what_is_emitted_never_changes_and_never_skips(mode_core: MakeCore) -> None:
    """Tokens come as soon as all before them are there, also in the middle of a block."""
    core = mode_core()
    core.submit(1, prompts(1)[0], "diffusion", decoding=DECODINGS["one by one"])
    lengths = []
    while not core.core.is_idle:
        core.step()
        lengths.append(len(core.runs[1, 0].ids) if core.runs else 0)
    assert len({length % 8 for length in lengths}) > 2
    assert (
        core.runs[1, 0].ids == core.answer(prompts(1)[0], "diffusion", decoding=DECODINGS["one by one"]).ids
    )


def test_a_committed_block_is_in_the_cache_as_left_to_right_puts_it(mode_core: MakeCore) -> None:
    core, prompt = mode_core(), prompts(1)[0]
    first = core.answer(prompt, "diffusion", decoding=DECODINGS["threshold"])
    turn = [*prompt, *first.ids, 8, 9]
    again, fresh = core.answer(turn, "diffusion"), mode_core().answer(turn, "diffusion")
    assert again.ids == fresh.ids
    assert again.usage.cached_tokens >= len(prompt) + 16


def test_noise_draws_what_probabilities_say() -> None:
    """A chi-square of 6 tokens over 20,000 draws: 20.5 is passed by 1 in 1,000 of right samplers, and a
    token that comes a tenth too often or too rarely is found in more than 99 of 100 runs."""
    logits = torch.tensor([0.0, 1.0, -1.0, 0.5, 2.0, -0.5])
    sampling = replace(GREEDY, temperature=0.7)
    sampler, num_draws = Sampler(sampling, ()), 20_000
    counts = Counter(sampler.draw_by_noise(logits) for _ in range(num_draws))
    wanted = (logits / 0.7).softmax(0) * num_draws
    statistic = sum((counts[place] - float(wanted[place])) ** 2 / float(wanted[place]) for place in range(6))
    assert statistic < 20.5


def test_noise_keeps_to_top_k() -> None:
    sampler = Sampler(replace(GREEDY, temperature=1.0, top_k=2), ())
    drawn = {sampler.draw_by_noise(torch.tensor([0.0, 1.0, 0.9, 0.5])) for _ in range(200)}
    assert drawn == {1, 2}


def test_the_surest_place_is_revealed_however_unsure_it_is() -> None:
    block = Block(9, 4, MASK, Decoding(threshold=0.9))
    block.reveal([Guess(1, 11, 0.1), Guess(2, 12, 0.3), Guess(3, 13, 0.2)])
    assert (block.token_ids, block.masked, block.num_final) == ([9, MASK, 12, MASK], [1, 3], 1)


def test_steps_share_the_masks_evenly_and_the_first_take_the_rest() -> None:
    block, shares = Block(9, 8, MASK, Decoding(num_steps=3)), []
    while block.masked:
        shares.append(len(block.reveal([Guess(place, 11, 0.5) for place in block.masked])))
    assert shares == [3, 2, 2]
