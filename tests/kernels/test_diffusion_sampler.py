"""Are masks guessed and revealed as the decode modes say?"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nemotron_kernels.diffusion_sampler import Canvas, Drawing, Guesses, Policy, guess, reveal

MASK = 5
Follow = Callable[[Tensor, Tensor, Tensor], None]


def drawing(temperatures: list[float], first_seed: int = 0) -> Drawing:
    num_rows = len(temperatures)
    return Drawing(
        temperatures=torch.tensor(temperatures),
        seeds=torch.arange(first_seed, first_seed + num_rows),
        counters=torch.zeros(num_rows, dtype=torch.int64),
    )


def canvas(is_masked: list[list[bool]]) -> Canvas:
    flags = torch.tensor(is_masked)
    return Canvas(token_ids=torch.where(flags, MASK, 9), is_masked=flags)


def policy(threshold: float = 0.0, steps_left: int = 0, is_leftmost: bool = False, blocks: int = 1) -> Policy:
    return Policy(
        thresholds=torch.full((blocks,), threshold, dtype=torch.float64),
        steps_left=torch.full((blocks,), steps_left, dtype=torch.int32),
        is_leftmost=torch.full((blocks,), is_leftmost),
    )


def revealed(confidences: list[float], rule: Policy, is_masked: list[bool] | None = None) -> list[int]:
    """Places that get their guess, which is 20 and the place."""
    places = torch.arange(len(confidences))
    guesses = Guesses(tokens=20 + places, confidences=torch.tensor(confidences))
    before = canvas([is_masked or [True] * len(confidences)])
    after = reveal(before, guesses, rule, torch.tensor([0])).canvas
    is_new = before.is_masked & ~after.is_masked
    assert torch.equal(after.token_ids, torch.where(is_new, 20 + places, before.token_ids))
    return is_new[0].nonzero().squeeze(1).tolist()


def test_the_likeliest_is_guessed_and_the_mask_never_but_it_keeps_its_part() -> None:
    torch.manual_seed(0)
    logits = torch.randn(4, 11)
    logits[2, MASK] = 9.0
    found = guess(logits, MASK)
    chances = logits.double().softmax(-1)
    allowed = chances.clone()
    allowed[:, MASK] = 0
    assert torch.equal(found.tokens, allowed.argmax(-1))
    torch.testing.assert_close(found.confidences.double(), allowed.amax(-1), rtol=1e-6, atol=0)
    assert found.confidences[2] < 0.01


@pytest.mark.parametrize("mask_id", [-1, 11, 2**17])
def test_a_mask_outside_the_vocabulary_excludes_nothing(mask_id: int) -> None:
    logits = torch.eye(11)
    assert guess(logits, mask_id).tokens.tolist() == list(range(11))


def test_of_equals_the_lowest_id_is_guessed() -> None:
    logits = torch.tensor([[1.0, 3, 3, 0, 3, 3], [0, 0, 0, 0, 0, 0]])
    assert guess(logits, 1).tokens.tolist() == [2, 0]


def test_rows_that_are_not_wanted_say_so() -> None:
    found = guess(torch.eye(3), 7, is_wanted=torch.tensor([True, False, True]))
    assert found.tokens.tolist() == [0, -1, 2]
    assert float(found.confidences[1]) == 0.0


def test_no_rows_give_no_guesses() -> None:
    assert guess(torch.empty(0, 9), 3).tokens.shape == (0,)


def test_a_temperature_of_0_takes_no_noise_beside_rows_that_do() -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 50)
    mixed = guess(logits, 3, drawing([0.0, 1.0, 0.0]))
    plain = guess(logits, 3)
    assert torch.equal(mixed.tokens[[0, 2]], plain.tokens[[0, 2]])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_softmax_at_their_temperature(temperature: float, follow: Follow) -> None:
    """A temperature that is off by a tenth would be found."""
    num_draws, logits = 20_000, torch.linspace(-3, 3, 8)
    found = guess(logits.expand(num_draws, -1), 0, drawing([temperature] * num_draws)).tokens
    counts = torch.bincount(found, minlength=8)
    assert counts[0] == 0
    right, wrong = ((logits[1:].double() / temperature / factor).softmax(0) for factor in (1.0, 1.1))
    follow(counts[1:], right, wrong)


def test_what_is_excluded_is_never_drawn() -> None:
    logits = torch.full((500, 9), -torch.inf)
    logits[:, [2, 7]] = 0.0
    found = guess(logits, 4, drawing([1.5] * 500)).tokens
    assert set(found.tolist()) == {2, 7}


def test_all_that_reach_the_threshold_are_revealed() -> None:
    assert revealed([0.1, 0.75, 0.95, 0.7499], policy(threshold=0.75)) == [1, 2]


def test_one_is_revealed_in_any_case_and_of_equals_the_left_one() -> None:
    assert revealed([0.1, 0.3, 0.3, 0.2], policy(threshold=0.9)) == [1]
    assert revealed([0.1, 0.3, 0.3, 0.2], policy(threshold=0.9, is_leftmost=True)) == [0]


def test_from_the_left_the_first_that_is_unsure_ends_it() -> None:
    rule = policy(threshold=0.5, is_leftmost=True)
    assert revealed([0.9, 0.6, 0.1, 0.95], rule) == [0, 1]
    assert revealed([0.0, 0.9, 0.6, 0.1], rule, [False, True, True, True]) == [1, 2]


def test_steps_reveal_even_shares_with_the_larger_first() -> None:
    confidences, is_masked, shares = [0.1, 0.5, 0.4, 0.3, 0.2, 0.6, 0.7], [True] * 7, []
    for steps_left in (3, 2, 1):
        places = revealed(confidences, policy(0.99, steps_left), is_masked)
        is_masked = [flag and place not in places for place, flag in enumerate(is_masked)]
        shares.append(places)
    assert shares == [[1, 5, 6], [2, 3], [0, 4]]


def test_a_block_without_masks_stays_as_it_is() -> None:
    before = canvas([[False] * 4])
    after = reveal(
        before, Guesses(tokens=torch.arange(4), confidences=torch.ones(4)), policy(), torch.tensor([])
    )
    assert torch.equal(after.canvas.token_ids, before.token_ids)
    assert after.num_final.tolist() == [4]


def test_an_end_finishes_a_block_once_no_mask_stands_before_it() -> None:
    flags = [[False, True, True, True], [False, True, True, True]]
    tokens = torch.tensor([0, 7, 3, 7, 0, 3, 7, 7])
    confidences = torch.tensor([0.0, 0.1, 0.9, 0.1, 0, 0.9, 0.1, 0.1])
    rule = policy(threshold=0.5, blocks=2)
    after = reveal(canvas(flags), Guesses(tokens=tokens, confidences=confidences), rule, torch.tensor([4, 3]))
    assert after.num_final.tolist() == [1, 2]
    assert after.is_finished.tolist() == [False, True]
