"""Do the kernels judge drafts as the reference does?"""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nemotron_kernels.draft_verification import Draft, Drawing, Verdict, kernel, reference

Close = Callable[[Tensor, Tensor, str], None]
Poisoned = Callable[..., Tensor]
BATCH, MOST, SIZE, MASK = 8, 3, 150, 70


def poisoned_verdict(batch: int, poisoned: Poisoned) -> Verdict:
    return Verdict(num_accepted=poisoned((batch,), torch.int64), bonus=poisoned((batch,), torch.int64))


def agree(found: Verdict, expected: Verdict, close: Close) -> None:
    close(found.num_accepted, expected.num_accepted, "draft_verification")
    close(found.bonus, expected.bonus, "draft_verification")


def test_matching_is_the_references(poisoned: Poisoned, close: Close) -> None:
    torch.manual_seed(0)
    chosen = torch.randint(0, 3, (6, 12))[:, 1:11:2]
    tokens = torch.where(torch.rand(6, 4) < 0.8, chosen[:, :4], 9).T.contiguous().T
    draft = Draft(tokens=tokens, lengths=torch.tensor([4, 4, 3, 1, 0, 4], dtype=torch.int32))
    found = kernel.match(chosen, draft, out=poisoned_verdict(6, poisoned))
    agree(found, reference.match(chosen, draft), close)
    assert len(set(found.num_accepted.tolist())) > 2


def test_no_batch_is_no_launch() -> None:
    draft = Draft(tokens=torch.empty(0, 3, dtype=torch.int64), lengths=torch.empty(0, dtype=torch.int32))
    assert kernel.match(torch.empty(0, 4, dtype=torch.int64), draft).bonus.shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("has_chances", [False, True], ids=["certain", "drawn"])
def test_rejection_is_the_references(
    has_chances: bool, dtype: torch.dtype, poisoned: Poisoned, close: Close
) -> None:
    """Where nothing was drafted the logits are NaN, so reading one would show."""
    torch.manual_seed(0)
    lengths = torch.tensor([3, 3, 3, 2, 1, 0, 3, 3], dtype=torch.int32)
    wanted = torch.randn(BATCH, MOST + 1, 2 * SIZE).to(dtype)[..., ::2]
    wanted[:, :, 100:110] = -math.inf
    guessed = (wanted[:, :-1].float() + 0.5 * torch.randn(BATCH, MOST, SIZE)).to(dtype)
    tokens = guessed.index_fill(2, torch.tensor([MASK]), -math.inf).argmax(-1)
    draft = Draft(tokens=tokens, lengths=lengths, logits=guessed if has_chances else None, mask_id=MASK)
    drawing = Drawing(
        temperatures=torch.tensor([0.2, 0.5, 1.0, 0.3, 0.2, 1.0, 0.1, 0.0]),
        seeds=torch.arange(BATCH) * 10**13 - 3,
        counters=torch.arange(BATCH) * 2**31 - 1,
    )
    expected = reference.reject(wanted, draft, drawing)
    for sequence, length in enumerate(lengths.tolist()):
        wanted[sequence, length + 1 :] = math.nan
        guessed[sequence, length:] = math.nan
    found = kernel.reject(wanted, draft, drawing, part=64, out=poisoned_verdict(BATCH, poisoned))
    agree(found, expected, close)
    assert bool((found.num_accepted == lengths).any())
    assert bool((found.num_accepted < lengths).any())


def test_a_draft_that_is_exactly_what_is_wanted_stands_or_is_drawn_again(
    poisoned: Poisoned, close: Close
) -> None:
    """Nothing is left to draw from then but the token itself."""
    logits = torch.full((2, 2, 80), -math.inf)
    logits[:, :, 66] = 0.0
    tokens, lengths = torch.full((2, 1), 66), torch.ones(2, dtype=torch.int32)
    draft = Draft(tokens=tokens, lengths=lengths, logits=logits[:, :1])
    drawing = Drawing(
        temperatures=torch.ones(2), seeds=torch.arange(2), counters=torch.zeros(2, dtype=torch.int64)
    )
    found = kernel.reject(logits, draft, drawing, part=64, out=poisoned_verdict(2, poisoned))
    agree(found, Verdict(num_accepted=torch.ones(2), bonus=torch.full((2,), 66)), close)
