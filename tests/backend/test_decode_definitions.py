"""Do the kernels' definitions say what the engine's decode modes do?"""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from nemotron_backend.embedded.decode.acceptance import choose
from nemotron_backend.embedded.decode.block import Block, Guess
from nemotron_backend.embedded.decode.guessing import guesses
from nemotron_backend.embedded.sampler import Sampler
from nemotron_backend.model.attention import Attention
from nemotron_backend.model.cache import KeyValueCache
from nemotron_backend.model.network import Segment
from nemotron_backend.request import Decoding, Order, Sampling
from nemotron_kernels.block_attention import (
    PagedCache,
    block_attention,
    both_ways,
    causal,
    lay_out,
    looking_ahead,
)
from nemotron_kernels.diffusion_sampler import Canvas, Guesses, Policy, guess, reveal, without_mask
from nemotron_kernels.diffusion_sampler.reference import noisy
from nemotron_kernels.draft_verification import Draft, Drawing, reject
from nemotron_kernels.noise import STREAM_OF_JUDGEMENT, STREAM_OF_SECOND_CHOICE, exponential, uniform

GREEDY = Sampling(
    temperature=0.0,
    top_p=1.0,
    top_k=0,
    min_p=0.0,
    repetition_penalty=1.0,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    logit_bias=(),
    seed=0,
)
MASK, SIZE = 4, 19


class Told(Sampler):
    """Takes a given uniform number, and the least wait for its weight, in place of random ones."""

    def __init__(self, sampling: Sampling, given: float, waits: Tensor) -> None:
        super().__init__(sampling, ())
        self._given, self._waits = given, waits

    def uniform(self) -> float:
        return self._given

    def pick(self, weights: Tensor) -> int:
        return int((weights / self._waits).argmax())


def test_guesses_without_noise_are_the_engines() -> None:
    torch.manual_seed(0)
    logits = 3 * torch.randn(12, SIZE)
    logits[3, MASK], logits[5] = 20.0, 0.0
    block, sampler = Block(1, 13, MASK, Decoding()), Sampler(GREEDY, ())
    chosen = [sampler.draw_by_noise(row) for row in without_mask(logits, MASK)]
    engine, found = guesses(block, logits, chosen), guess(logits, MASK)
    assert found.tokens.tolist() == [one.token_id for one in engine]
    assert found.confidences.tolist() == [one.confidence for one in engine]


@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.7])
def test_the_noise_moves_logits_as_the_engine_does(temperature: float) -> None:
    torch.manual_seed(0)
    for seed in range(40):
        logits = torch.randn(SIZE)
        sampler = Sampler(replace(GREEDY, temperature=temperature, seed=seed), ())
        twin = Sampler(replace(GREEDY, temperature=temperature, seed=seed), ())
        waits = torch.empty(SIZE, dtype=torch.float64).exponential_(generator=twin._noise)
        scores = noisy(logits[None], torch.tensor([temperature]), waits[None])
        assert int(scores.argmax()) == sampler.draw_by_noise(logits)


@pytest.mark.parametrize("order", ["confidence", "leftmost"])
@pytest.mark.parametrize(
    ("threshold", "num_steps"), [(0.0, 0), (0.5, 0), (0.9, 0), (1.0, 0), (0.0, 3), (0.9, 5)]
)
def test_a_block_is_filled_as_the_engine_fills_it(order: Order, threshold: float, num_steps: int) -> None:
    """Confidences are tenths, so that there are ties and hits of the threshold."""
    torch.manual_seed(0)
    length = 12
    block = Block(1, length, MASK, Decoding(threshold=threshold, num_steps=num_steps, order=order))
    canvas = Canvas(
        token_ids=torch.tensor([block.token_ids]), is_masked=torch.tensor([[False] + [True] * (length - 1)])
    )
    steps = min(num_steps, length - 1)
    while block.masked:
        sure, tokens = torch.randint(0, 11, (length,)) / 10, torch.randint(5, SIZE, (length,))
        block.reveal([Guess(place, int(tokens[place]), float(sure[place])) for place in block.masked])
        policy = Policy(
            thresholds=torch.tensor([threshold], dtype=torch.float64),
            steps_left=torch.tensor([steps], dtype=torch.int32),
            is_leftmost=torch.tensor([order == "leftmost"]),
        )
        revealed = reveal(canvas, Guesses(tokens=tokens, confidences=sure), policy, torch.tensor([2]))
        canvas, steps = revealed.canvas, max(steps - 1, 0)
        assert canvas.token_ids[0].tolist() == block.token_ids
        assert canvas.is_masked[0].nonzero().flatten().tolist() == block.masked
        assert int(revealed.num_final) == block.num_final


@pytest.mark.parametrize("is_drawn", [True, False])
def test_drafts_are_judged_as_the_engine_judges_them(is_drawn: bool) -> None:
    torch.manual_seed(0)
    batch, most, num_whole = 60, 3, 0
    logits = 3 * torch.randn(batch, most + 1, SIZE)
    guessed = logits[:, :-1] + torch.randn(batch, most, SIZE)
    draft = Draft(
        tokens=guess(guessed.flatten(0, 1), MASK).tokens.view(batch, most),
        lengths=torch.full((batch,), most, dtype=torch.int32),
        logits=guessed if is_drawn else None,
        mask_id=MASK,
    )
    drawing = Drawing(
        temperatures=torch.full((batch,), 0.8),
        seeds=torch.arange(batch),
        counters=torch.zeros(batch, dtype=torch.int64),
    )
    verdict = reject(logits, draft, drawing)
    for sequence in range(batch):
        said = [
            _by_engine(logits[sequence, place], draft, sequence, place, drawing) for place in range(most + 1)
        ]
        stands = [said[place] == int(draft.tokens[sequence, place]) for place in range(most)]
        num_accepted = (*stands, False).index(False)
        assert int(verdict.num_accepted[sequence]) == num_accepted
        assert int(verdict.bonus[sequence]) == said[num_accepted]
        num_whole += num_accepted == most
    assert 0 < num_whole < batch


def _by_engine(row: Tensor, draft: Draft, sequence: int, place: int, drawing: Drawing) -> int:
    seed, counter = drawing.seeds[sequence][None], torch.tensor([place])
    given = uniform(seed, counter, torch.tensor([0]), STREAM_OF_JUDGEMENT)
    waits = exponential(seed, counter, SIZE, STREAM_OF_SECOND_CHOICE)[0]
    sampler = Told(replace(GREEDY, temperature=0.8), float(given), waits)
    if place == draft.tokens.shape[1]:
        return sampler.draw(row)
    chances = None
    if draft.logits is not None:
        chances = sampler.chances(without_mask(draft.logits[sequence], MASK)[place])
    return choose(sampler, sampler.chances(row), int(draft.tokens[sequence, place]), chances)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallHeads:
    num_heads: int = 6
    num_kv_heads: int = 2
    head_dim: int = 8
    group: int = 3


def _segment(cache: KeyValueCache, start: int, length: int, position: int, num_groups: int = 0) -> Segment:
    return Segment(
        cache=[cache],
        start=start,
        length=length,
        position=position,
        is_causal=num_groups == 0,
        num_groups=max(num_groups, 1),
    )


@pytest.mark.parametrize("mode", ["causal", "both ways", "looking ahead"])
@pytest.mark.parametrize("num_held", [0, 11])
def test_a_layout_sees_what_the_engines_attention_sees(mode: str, num_held: int) -> None:
    torch.manual_seed(0)
    heads, cache = SmallHeads(), KeyValueCache(2, 8, 64)
    held, new = torch.randn(num_held, 4, 8), torch.randn(15, 10, 8)
    cache.extend(held.transpose(0, 1))
    if mode == "causal":
        segments, sight = [_segment(cache, 0, 15, num_held)], causal(num_held, 15)
    elif mode == "both ways":
        segments, sight = [_segment(cache, 0, 15, num_held, num_groups=1)], both_ways(num_held, 15)
    else:
        known = _segment(cache, 0, 3, num_held)
        segments = [known, _segment(cache, 3, 12, num_held + 1, num_groups=3)]
        sight = looking_ahead(num_held, 3, 3, 4)
    engine = Attention(segments, heads).run(0, new)
    stored = torch.cat((held, new[:, 6:]))
    layout = lay_out([sight], torch.tensor([[0]], dtype=torch.int32))
    paged = PagedCache(keys=stored[None, :, :2], values=stored[None, :, 2:])
    found = block_attention(new[:, :6], paged, layout, heads.head_dim**-0.5)
    torch.testing.assert_close(found.flatten(1), engine, rtol=1e-4, atol=1e-5)
