"""Do the sampler's kernels guess and reveal what the reference does?"""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nemotron_kernels.diffusion_sampler import Canvas, Drawing, Guesses, Policy, Revealed, kernel, reference
from nemotron_kernels.noise import exponential

Close = Callable[[Tensor, Tensor, str], None]
Poisoned = Callable[..., Tensor]


def check(logits: Tensor, poisoned: Poisoned, close: Close, mask_id: int = 3, part: int = 64) -> Guesses:
    rows = len(logits)
    out = Guesses(tokens=poisoned((rows,), torch.int64), confidences=poisoned((rows,)))
    kernel.guess(logits, mask_id, part=part, out=out)
    close(out.tokens, reference.guess(logits, mask_id).tokens, "guess")
    close(out.confidences, reference.confidence(logits.double(), out.tokens), "guess")
    return out


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("size", [1, 64, 150])
def test_guesses_are_the_references_for_any_vocabulary(
    size: int, dtype: torch.dtype, poisoned: Poisoned, close: Close
) -> None:
    torch.manual_seed(size)
    check((3 * torch.randn(2, size)).to(dtype), poisoned, close)


def test_slices_columns_and_far_logits_are_read_right(poisoned: Poisoned, close: Close) -> None:
    torch.manual_seed(0)
    wide = torch.randn(5, 400)
    check(wide[1::2, 30:230:2] - 900, poisoned, close)
    check(wide.T[:100, :3].T, poisoned, close)


def test_ties_within_and_between_parts_go_to_the_lowest_id(poisoned: Poisoned, close: Close) -> None:
    logits = torch.zeros(3, 130)
    logits[0, [3, 7, 9, 70]] = 2.0
    logits[1, [65, 129]] = 2.0
    assert check(logits, poisoned, close).tokens.tolist() == [7, 65, 0]


def test_parts_without_any_chance_change_nothing(poisoned: Poisoned, close: Close) -> None:
    logits = torch.full((2, 200), -math.inf)
    logits[0, 150] = -500.0
    logits[1, [3, 190]] = torch.tensor([-300.0, -301.0])
    assert check(logits, poisoned, close).tokens.tolist() == [150, 190]


def test_rows_that_are_not_wanted_are_not_read(poisoned: Poisoned, close: Close) -> None:
    logits, wanted = poisoned((3, 70)), torch.tensor([False, True, False])
    logits[1] = torch.randn(70)
    out = Guesses(tokens=poisoned((3,), torch.int64), confidences=poisoned((3,)))
    kernel.guess(logits, 3, None, wanted, part=64, out=out)
    assert out.tokens.tolist() == [-1, int(reference.guess(logits[1:2], 3).tokens), -1]
    assert out.confidences[[0, 2]].tolist() == [0, 0]


def test_no_rows_are_no_launch(poisoned: Poisoned) -> None:
    assert kernel.guess(torch.empty(0, 7), 3).tokens.shape == (0,)


def test_draws_are_the_references_wherever_float32_can_tell_the_best(
    poisoned: Poisoned, close: Close
) -> None:
    torch.manual_seed(0)
    logits = torch.randn(12, 150)
    logits[:, 20] = -math.inf
    drawing = Drawing(
        temperatures=torch.tensor([0.0, 0.3, 1.0, 2.0] * 3),
        seeds=torch.arange(12) * 10**12 - 5,
        counters=torch.arange(12) * 2**31,
    )
    waits = exponential(drawing.seeds, drawing.counters, 150)
    scores = reference.noisy(reference.without_mask(logits, 3), drawing.temperatures, waits)
    best = scores.topk(2).values
    assert bool((best[:, 0] - best[:, 1] > 1e-4).all())
    out = Guesses(tokens=poisoned((12,), torch.int64), confidences=poisoned((12,)))
    kernel.guess(logits, 3, drawing, part=64, out=out)
    close(out.tokens, scores.argmax(-1), "guess")
    assert not torch.equal(out.tokens, logits.argmax(-1))
    close(out.confidences, reference.confidence(logits.double(), out.tokens), "guess")


@pytest.mark.parametrize("length", [1, 5, 32])
def test_revealing_is_the_references_under_every_policy(length: int, poisoned: Poisoned) -> None:
    generator, blocks = torch.Generator().manual_seed(length), 12
    shape = (blocks, length)
    canvas = Canvas(
        token_ids=torch.randint(0, 9, shape, generator=generator),
        is_masked=torch.rand(shape, generator=generator) < 0.7,
    )
    # Tenths, so that there are ties and hits of the threshold.
    guesses = Guesses(
        tokens=torch.randint(0, 9, (blocks * length,), generator=generator),
        confidences=torch.randint(0, 11, (blocks * length,), generator=generator) / 10,
    )
    policy = Policy(
        thresholds=torch.tensor([0.0, 0.5, 0.9], dtype=torch.float64).repeat(4),
        steps_left=torch.tensor([0, 0, 0, 0, 0, 0, 1, 3, 4, 0, 2, 9], dtype=torch.int32),
        is_leftmost=torch.tensor([False, False, False, True, True, True] * 2),
    )
    ends = torch.tensor([8, 2])
    out = Revealed(
        canvas=Canvas(
            token_ids=poisoned(shape, torch.int64), is_masked=poisoned(shape, torch.uint8).view(torch.bool)
        ),
        num_final=poisoned((blocks,), torch.int64),
        is_finished=poisoned((blocks,), torch.uint8).view(torch.bool),
    )
    kernel.reveal(canvas, guesses, policy, ends, out=out)
    expected = reference.reveal(canvas, guesses, policy, ends)
    assert torch.equal(out.canvas.token_ids, expected.canvas.token_ids)
    assert torch.equal(out.canvas.is_masked.view(torch.uint8), expected.canvas.is_masked.view(torch.uint8))
    assert torch.equal(out.num_final, expected.num_final)
    assert torch.equal(out.is_finished.view(torch.uint8), expected.is_finished.view(torch.uint8))
