"""Do the kernels of the step and of the scan equal the recurrence, sequence by sequence in float64?"""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nemotron_kernels.chunk_scan import kernel as scan
from nemotron_kernels.chunk_scan import reference as scan_reference
from nemotron_kernels.ragged import Ragged
from nemotron_kernels.state_space import HeadParameters, Selection
from nemotron_kernels.state_update import kernel as step
from nemotron_kernels.state_update import reference as step_reference

Close = Callable[[Tensor, Tensor, str], None]
Poisoned = Callable[..., Tensor]

HEADS, CHANNELS, GROUPS, STATE = 4, 18, 2, 20
DTYPES = [torch.float32, torch.bfloat16, torch.float16]

steps = pytest.mark.parametrize("op", [step, step_reference], ids=["kernel", "reference"])
scans = pytest.mark.parametrize("op", [scan, scan_reference], ids=["kernel", "reference"])


def draw(tokens: int, dtype: torch.dtype = torch.float32) -> tuple[Selection, HeadParameters]:
    """What lies in one projection, so that every part is a strided view of it."""
    torch.manual_seed(0)
    widths = [HEADS * CHANNELS, GROUPS * STATE, GROUPS * STATE, HEADS]
    x, b, c, dt = torch.randn(tokens, sum(widths)).to(dtype).split_with_sizes(widths, dim=-1)
    selection = Selection(
        x=torch.unflatten(x, -1, (HEADS, -1)),
        dt=dt,
        b=torch.unflatten(b, -1, (GROUPS, -1)),
        c=torch.unflatten(c, -1, (GROUPS, -1)),
    )
    heads = HeadParameters(
        a=-torch.rand(HEADS) * 8, d=torch.randn(HEADS), dt_bias=torch.tensor([-12.0, -2.0, 0.0, 3.0])
    )
    return selection, heads


def recurrence(selection: Selection, heads: HeadParameters, state: Tensor) -> tuple[Tensor, Tensor]:
    """One sequence, token by token: the outputs and the state after each token."""
    state, outputs, states = state.double(), [], []
    for token in range(len(selection.x)):
        x, dt, b, c = (part[token].double() for part in (selection.x, selection.dt, selection.b, selection.c))
        b, c = (part.repeat_interleave(selection.heads_per_group, dim=0) for part in (b, c))
        dt = F.softplus(dt + heads.dt_bias)
        written = (dt[:, None] * x)[:, :, None] * b[:, None, :]
        state = torch.exp(dt * heads.a.double())[:, None, None] * state + written
        outputs.append((state * c[:, None, :]).sum(-1) + heads.d.double()[:, None] * x)
        states.append(state)
    return torch.stack(outputs), torch.stack(states)


def ragged(lengths: list[int], slots: list[int]) -> Ragged:
    starts = torch.tensor([0, *lengths]).cumsum(0).int()
    return Ragged(starts=starts, slots=torch.tensor(slots, dtype=torch.int32), longest=max(lengths))


def expected(
    selection: Selection, heads: HeadParameters, pool: Tensor, batch: Ragged
) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs, the state after each token, and the pool afterwards."""
    pool, outputs, states = pool.double(), [], []
    for tokens, slot in batch.sequences():
        if tokens.start == tokens.stop:
            continue
        before = pool[slot] if slot >= 0 else torch.zeros_like(pool[0])
        output, after = recurrence(selection.at(tokens), heads, before)
        outputs.append(output)
        states.append(after)
        if slot >= 0:
            pool[slot] = after[-1]
    return torch.cat(outputs), torch.cat(states), pool


def draw_pool(slots: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(slots, HEADS, CHANNELS, STATE).to(dtype)


@steps
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_steps_of_a_ragged_batch_equal_the_recurrence(
    op: ModuleType, dtype: torch.dtype, close: Close
) -> None:
    selection, heads = draw(4, dtype)
    pool, batch = draw_pool(3), ragged([1, 0, 1, 2], [2, 1, -1, 0])
    outputs, _, after = expected(selection, heads, pool, batch)
    close(op.state_update_ragged(selection, heads, pool, batch), outputs, "state_update")
    close(pool, after, "state_update")


@steps
def test_tokens_that_may_be_taken_back_leave_the_pool(
    op: ModuleType, poisoned: Poisoned, close: Close
) -> None:
    selection, heads = draw(5)
    pool, batch = draw_pool(3), ragged([3, 2], [2, 0])
    before, after = pool.clone(), poisoned((5, HEADS, CHANNELS, STATE))
    outputs, states, _ = expected(selection, heads, pool, batch)
    close(op.state_update_ragged(selection, heads, pool, batch, after), outputs, "state_update")
    close(after, states, "state_update")
    assert torch.equal(pool, before)


@steps
def test_a_pool_of_half_floats_rounds_only_what_it_keeps(op: ModuleType, close: Close) -> None:
    selection, heads = draw(2)
    pool, batch = draw_pool(2, torch.float16), ragged([2], [1])
    outputs, _, after = expected(selection, heads, pool, batch)
    close(op.state_update_ragged(selection, heads, pool, batch), outputs, "state_update")
    close(pool, after, "state_update")


def test_a_plain_step_makes_a_new_state(close: Close) -> None:
    selection, heads = draw(2)
    state, batch = draw_pool(2), ragged([1, 1], [0, 1])
    before = state.clone()
    outputs, _, after = expected(selection, heads, state, batch)
    output, new_state = step.state_update(selection, heads, state)
    close(output, outputs, "state_update")
    close(new_state, after, "state_update")
    assert torch.equal(state, before)


@scans
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_scan_of_a_ragged_batch_equals_the_recurrence(
    op: ModuleType, dtype: torch.dtype, close: Close
) -> None:
    selection, heads = draw(35, dtype)
    pool, batch = draw_pool(4), ragged([17, 0, 1, 16, 1], [2, 1, -1, 0, 3])
    outputs, _, after = expected(selection, heads, pool, batch)
    close(op.chunk_scan_ragged(selection, heads, pool, batch, 16), outputs, "chunk_scan")
    close(pool, after, "chunk_scan" if dtype == torch.float32 else "chunk_scan of half floats")


def test_a_scan_of_equal_lengths_makes_a_new_state(close: Close) -> None:
    selection, heads = draw(14)
    state, batch = draw_pool(2), ragged([7, 7], [0, 1])
    before = state.clone()
    outputs, _, after = expected(selection, heads, state, batch)
    pairs = Selection(
        x=torch.unflatten(selection.x, 0, (2, 7)),
        dt=torch.unflatten(selection.dt, 0, (2, 7)),
        b=torch.unflatten(selection.b, 0, (2, 7)),
        c=torch.unflatten(selection.c, 0, (2, 7)),
    )
    output, new_state = scan.chunk_scan(pairs, heads, state, 128)
    close(output.flatten(0, 1), outputs, "chunk_scan")
    close(new_state, after, "chunk_scan")
    assert torch.equal(state, before)


def test_fast_decay_over_a_long_chunk_keeps_its_digits(close: Close) -> None:
    selection, heads = draw(64)
    fast = HeadParameters(a=torch.tensor([-64.0, -16.0, -1.0, -0.01]), d=heads.d, dt_bias=torch.zeros(HEADS))
    pool, batch = draw_pool(1), ragged([64], [0])
    outputs, _, after = expected(selection, fast, pool, batch)
    close(scan.chunk_scan_ragged(selection, fast, pool, batch, 64), outputs, "chunk_scan")
    close(pool, after, "chunk_scan")


@pytest.mark.parametrize("op", [step, step_reference, scan, scan_reference], ids=lambda op: op.__name__)
def test_a_smaller_size_runs_the_first_heads_of_every_group(op: ModuleType, close: Close) -> None:
    selection, heads = draw(5)
    pool, whole = draw_pool(2), ragged([2, 3], [1, 0])
    batch, before = replace(whole, kept_heads=torch.tensor([1, 2], dtype=torch.int32)), pool.clone()
    outputs, _, after = expected(selection, heads, pool, whole)
    outputs[:2, 1::2], after[1, 1::2] = 0, before[1, 1::2].double()
    if op in (step, step_reference):
        close(op.state_update_ragged(selection, heads, pool, batch), outputs, "state_update")
    else:
        close(op.chunk_scan_ragged(selection, heads, pool, batch, 16), outputs, "chunk_scan")
    close(pool, after, "chunk_scan")
