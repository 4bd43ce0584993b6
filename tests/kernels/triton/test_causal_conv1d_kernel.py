"""Does the convolution's kernel equal its formula, and renew each sequence's taps alone?"""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nemotron_kernels.causal_conv1d import Filter, kernel, reference
from nemotron_kernels.ragged import Ragged

Close = Callable[[Tensor, Tensor, str], None]
Poisoned = Callable[..., Tensor]


def exact(x: Tensor, taps: Tensor, taps_filter: Filter) -> Tensor:
    """One sequence [length, channels], in float64 by torch's own convolution."""
    if not len(x):
        return x.double()
    inputs = torch.cat([taps, x]).double().mT[None]
    bias = None if taps_filter.bias is None else taps_filter.bias.double()
    return F.silu(F.conv1d(inputs, taps_filter.weight.double()[:, None], bias, groups=x.shape[1]))[0].mT


def ragged(lengths: list[int], slots: list[int]) -> Ragged:
    starts = torch.tensor([0, *lengths]).cumsum(0).int()
    return Ragged(starts=starts, slots=torch.tensor(slots, dtype=torch.int32), longest=max(lengths))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_a_ragged_batch_equals_each_sequence_alone(dtype: torch.dtype, close: Close) -> None:
    torch.manual_seed(0)
    lengths, slots, channels = [17, 0, 2, 1], [3, 1, 0, -1], 130
    x = torch.randn(sum(lengths), 2 * channels).to(dtype)[:, channels:]
    pool, taps_filter = (
        torch.randn(6, 3, channels).to(dtype),
        Filter(torch.randn(channels, 4), torch.randn(channels)),
    )
    expected_pool, batch = pool.clone(), ragged(lengths, slots)
    expected = [
        exact(x[tokens], pool[slot] if slot >= 0 else 0 * pool[0], taps_filter)
        for tokens, slot in batch.sequences()
    ]
    defined = reference.causal_conv1d_ragged(x, expected_pool, batch, taps_filter)
    out = kernel.causal_conv1d_ragged(x, pool, batch, taps_filter)
    close(out, torch.cat(expected), "causal_conv1d")
    close(defined, torch.cat(expected), "causal_conv1d")
    assert torch.equal(pool, expected_pool)


def test_tokens_that_may_be_taken_back_leave_the_pool_and_say_what_follows_each(poisoned: Poisoned) -> None:
    torch.manual_seed(0)
    x, pool, taps_filter = torch.randn(7, 9), torch.randn(3, 3, 9), Filter(torch.randn(9, 4))
    before, batch = pool.clone(), ragged([5, 2], [2, 0])
    after, expected = poisoned((7, 3, 9)), poisoned((7, 3, 9))
    kernel.causal_conv1d_ragged(x, pool, batch, taps_filter, after)
    reference.causal_conv1d_ragged(x, pool, batch, taps_filter, expected)
    assert torch.equal(after, expected)
    assert torch.equal(pool, before)
    reference.causal_conv1d_ragged(x[:5], pool, ragged([5], [2]), taps_filter)
    assert torch.equal(after[4], pool[2])


@pytest.mark.parametrize(("batch", "length", "channels", "size"), [(3, 1, 5, 4), (2, 3, 257, 2)])
def test_equal_lengths_leave_the_old_taps_as_they_were(
    batch: int, length: int, channels: int, size: int, close: Close
) -> None:
    torch.manual_seed(0)
    x, taps = torch.randn(batch, length, channels), torch.randn(batch, size - 1, channels)
    weight, before = torch.randn(size, channels).T, taps.clone()
    out, new_taps = kernel.causal_conv1d(x, taps, weight, None)
    close(
        out, torch.stack([exact(*own, Filter(weight)) for own in zip(x, taps, strict=True)]), "causal_conv1d"
    )
    assert torch.equal(new_taps, torch.cat([taps, x], dim=1)[:, length:])
    assert torch.equal(taps, before)
