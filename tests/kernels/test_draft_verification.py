"""Do the drafted tokens that stand, and the one behind them, leave the distribution of left to right?"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nemotron_kernels.diffusion_sampler import guess
from nemotron_kernels.draft_verification import Draft, Drawing, Verdict, match, reject, residual

Follow = Callable[[Tensor, Tensor, Tensor], None]
MASK, SIZE, BATCH = 2, 7, 20_000


def draft(tokens: list[list[int]], lengths: list[int]) -> Draft:
    return Draft(tokens=torch.tensor(tokens), lengths=torch.tensor(lengths, dtype=torch.int32))


def drawing(temperature: float, batch: int = BATCH) -> Drawing:
    return Drawing(
        temperatures=torch.full((batch,), temperature),
        seeds=torch.arange(batch),
        counters=torch.full((batch,), 100),
    )


def drawn_draft(logits: Tensor, drawing: Drawing) -> Draft:
    """Each place drawn from its row of logits [places, vocabulary], with the noise of its own counter."""
    batch = len(drawing.seeds)
    places = [
        Drawing(temperatures=drawing.temperatures, seeds=drawing.seeds, counters=drawing.counters + place)
        for place in range(len(logits))
    ]
    tokens = [
        guess(row.expand(batch, -1), MASK, place).tokens for row, place in zip(logits, places, strict=True)
    ]
    return Draft(
        tokens=torch.stack(tokens, dim=1),
        lengths=torch.full((batch,), len(logits), dtype=torch.int32),
        logits=logits.expand(batch, -1, -1),
        mask_id=MASK,
    )


def emitted(verdict: Verdict, tokens: Tensor, place: int) -> Tensor:
    """What stands at a place, of the sequences that say something there."""
    stands = verdict.num_accepted > place
    return torch.cat((tokens[stands, place], verdict.bonus[verdict.num_accepted == place]))


def chances(logits: Tensor, temperature: float) -> Tensor:
    return (logits.double() / temperature).softmax(-1)


def test_tokens_match_up_to_the_first_that_differs() -> None:
    chosen = torch.tensor([[1, 2, 3, 4], [1, 9, 3, 4], [9, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]])
    verdict = match(chosen, draft([[1, 2, 3]] * 5, [3, 3, 3, 2, 0]))
    assert verdict.num_accepted.tolist() == [3, 1, 0, 2, 0]
    assert verdict.bonus.tolist() == [4, 9, 9, 3, 1]


def test_nothing_drafted_gives_one_token_and_no_batch_none() -> None:
    empty = Draft(tokens=torch.empty(2, 0, dtype=torch.int64), lengths=torch.zeros(2, dtype=torch.int32))
    assert match(torch.tensor([[5], [6]]), empty).bonus.tolist() == [5, 6]
    none = Draft(tokens=torch.empty(0, 3, dtype=torch.int64), lengths=torch.zeros(0, dtype=torch.int32))
    assert match(torch.empty(0, 4, dtype=torch.int64), none).bonus.shape == (0,)


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_every_place_follows_left_to_right_and_a_rule_nearly_right_would_be_found(
    temperature: float, follow: Follow
) -> None:
    torch.manual_seed(0)
    wanted, guessed, how = torch.randn(3, SIZE), torch.randn(2, SIZE), drawing(temperature)
    drafted = drawn_draft(guessed, how)
    verdict = reject(wanted.expand(BATCH, -1, -1), drafted, how)
    p = chances(wanted, temperature)
    allowed = guessed.index_fill(1, torch.tensor([MASK]), -torch.inf)
    q = torch.cat((chances(allowed, temperature), torch.zeros(1, SIZE, dtype=torch.float64)))
    common = torch.minimum(p, q)
    for place in range(2):
        counts = torch.bincount(emitted(verdict, drafted.tokens, place), minlength=SIZE)
        # The wrong rule nearest to the right one draws from all of p after a refusal.
        follow(counts, p[place], common[place] + (1 - common[place].sum()) * p[place])
    # The most that any rule can accept is what the two distributions have in common.
    rate = float((verdict.num_accepted > 0).double().mean())
    assert rate == pytest.approx(float(common[0].sum()), abs=0.015)
    whole = verdict.bonus[verdict.num_accepted == 2]
    follow(torch.bincount(whole, minlength=SIZE), p[2], p[1])


def test_a_certain_draft_stands_with_its_own_chance(follow: Follow) -> None:
    wanted = torch.tensor([0.1, 0.6, 0.3]).log().expand(BATCH, 2, 3)
    drafted = draft([[1]] * BATCH, [1] * BATCH)
    verdict = reject(wanted, drafted, drawing(1.0))
    counts = torch.bincount(emitted(verdict, drafted.tokens, 0), minlength=3)
    follow(counts, torch.tensor([0.1, 0.6, 0.3]), torch.tensor([0.08, 0.64, 0.28]))


def test_a_draft_from_what_is_wanted_always_stands() -> None:
    torch.manual_seed(0)
    logits, how = torch.randn(2, SIZE), drawing(1.0, 500)
    logits[:, MASK] = -torch.inf
    drafted = drawn_draft(logits, how)
    verdict = reject(torch.cat((logits, logits[:1])).expand(500, -1, -1), drafted, how)
    assert bool((verdict.num_accepted == 2).all())


def test_at_temperature_0_only_the_likeliest_stands_and_follows() -> None:
    torch.manual_seed(0)
    logits = torch.randn(200, 4, SIZE)
    chosen = logits.argmax(-1)
    tokens = torch.where(torch.rand(200, 3) < 0.7, chosen[:, :3], 4)
    drafted = Draft(tokens=tokens, lengths=torch.arange(200, dtype=torch.int32) % 4)
    by_chance, by_match = reject(logits, drafted, drawing(0.0, 200)), match(chosen, drafted)
    assert torch.equal(by_chance.num_accepted, by_match.num_accepted)
    assert torch.equal(by_chance.bonus, by_match.bonus)


def test_what_is_excluded_neither_stands_nor_follows() -> None:
    logits = torch.zeros(300, 2, SIZE)
    logits[:, :, [0, 3]] = -torch.inf
    drafted = draft([[3]] * 150 + [[1]] * 150, [1] * 300)
    verdict = reject(logits, drafted, drawing(1.0, 300))
    assert bool((verdict.num_accepted[:150] == 0).all())
    assert not set(verdict.bonus.tolist()) & {0, 3}


def test_the_residual_is_what_is_wanted_more_than_drafted_and_never_what_was_refused() -> None:
    wanted, drafted = torch.tensor([0.5, 0.2, 0.3]), torch.tensor([0.1, 0.6, 0.3])
    torch.testing.assert_close(residual(wanted, torch.tensor(1), drafted), torch.tensor([0.4, 0, 0]))
    torch.testing.assert_close(residual(wanted, torch.tensor(0), None), torch.tensor([0, 0.2, 0.3]))
    assert wanted.tolist() == torch.tensor([0.5, 0.2, 0.3]).tolist()
