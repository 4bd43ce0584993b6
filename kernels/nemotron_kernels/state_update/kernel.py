# pyright: basic, reportArgumentType=false
"""How does a GPU step the state of every head, reading and writing it once however many tokens there are?

A program holds some channels of one head of one sequence in registers while it walks through that sequence's
tokens. Programs share nothing, so the pool may be renewed in place.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from nemotron_kernels._build import Build
from nemotron_kernels._elementwise import softplus
from nemotron_kernels.ragged import Ragged, equal_lengths
from nemotron_kernels.state_space import HeadParameters, Selection

# 16 channels of a state of 128 are 8 KB. Nano's 64 heads of 64 channels then make 256 programs for one
# sequence, enough for every multiprocessor, and a thread has four 16-byte reads in flight.
_BLOCK_P = 16


@triton.jit
def _step(
    x_ptr,
    dt_ptr,
    b_ptr,
    c_ptr,
    a_ptr,
    d_ptr,
    dt_bias_ptr,
    pool_ptr,
    new_pool_ptr,
    after_ptr,
    y_ptr,
    starts_ptr,
    slots_ptr,
    kept_heads_ptr,
    heads_per_group,
    num_channels,
    state_size,
    stride_x_token,
    stride_x_head,
    stride_dt_token,
    stride_b_token,
    stride_b_group,
    stride_c_token,
    stride_c_group,
    stride_slot,
    stride_new_slot,
    stride_head,
    KEEPS_EACH: tl.constexpr,
    LIMITS_HEADS: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    head, num_heads = tl.program_id(0), tl.num_programs(0)
    sequence = tl.program_id(2)
    start = tl.load(starts_ptr + sequence).to(tl.int64)
    stop = tl.load(starts_ptr + sequence + 1).to(tl.int64)
    slot = tl.load(slots_ptr + sequence).to(tl.int64)
    group = head // heads_per_group
    channel = tl.program_id(1) * BLOCK_P + tl.arange(0, BLOCK_P)  # [BLOCK_P]
    entry = tl.arange(0, BLOCK_N)  # [BLOCK_N]
    is_channel, is_entry = channel < num_channels, entry < state_size
    # The states of a head are row-major everywhere.
    inside = head.to(tl.int64) * stride_head + channel[:, None] * state_size + entry[None, :]
    kept_channels = num_channels
    if LIMITS_HEADS:
        kept_channels = tl.where(head % heads_per_group < tl.load(kept_heads_ptr + sequence), num_channels, 0)
    is_kept = channel < kept_channels
    is_state = is_kept[:, None] & is_entry[None, :]
    has_memory = (channel < tl.where(slot >= 0, kept_channels, 0))[:, None] & is_entry[None, :]

    a, d, dt_bias = tl.load(a_ptr + head), tl.load(d_ptr + head), tl.load(dt_bias_ptr + head)
    state = tl.load(pool_ptr + slot * stride_slot + inside, mask=has_memory, other=0.0).to(tl.float32)
    for token in range(start, stop):
        # S = exp(dt * a) * S + dt * x (outer) b
        x = tl.load(
            x_ptr + token * stride_x_token + head * stride_x_head + channel, mask=is_channel, other=0.0
        )
        b = tl.load(b_ptr + token * stride_b_token + group * stride_b_group + entry, mask=is_entry, other=0.0)
        c = tl.load(c_ptr + token * stride_c_token + group * stride_c_group + entry, mask=is_entry, other=0.0)
        dt = softplus(tl.load(dt_ptr + token * stride_dt_token + head).to(tl.float32) + dt_bias)
        x, b, c = x.to(tl.float32), b.to(tl.float32), c.to(tl.float32)
        state = state * tl.exp(dt * a) + (dt * x)[:, None] * b[None, :]

        # y = S . c + d * x
        y = tl.sum(state * c[None, :], axis=1) + d * x
        y_at = y_ptr + (token * num_heads + head) * num_channels + channel
        tl.store(y_at, tl.where(is_kept, y, 0.0), mask=is_channel)
        if KEEPS_EACH:
            tl.store(after_ptr + token * num_heads * stride_head + inside, state, mask=is_state)
    if not KEEPS_EACH:
        tl.store(new_pool_ptr + slot * stride_new_slot + inside, state, mask=has_memory)


def state_update(selection: Selection, heads: HeadParameters, state: Tensor) -> tuple[Tensor, Tensor]:
    """Return the outputs [batch, H, P] and the next state [batch, H, P, N]."""
    new_state = torch.empty(state.shape, dtype=state.dtype, device=state.device)
    ragged = equal_lengths(len(state), 1, state.device)
    return _launch(selection, heads, (state.contiguous(), new_state), ragged), new_state


def state_update_ragged(
    selection: Selection, heads: HeadParameters, pool: Tensor, ragged: Ragged, after: Tensor | None = None
) -> Tensor:
    """Step every sequence through its tokens from its state in `pool`, and bring that up to date."""
    return _launch(selection, heads, (pool, pool), ragged, after)


def _launch(
    selection: Selection,
    heads: HeadParameters,
    pools: tuple[Tensor, Tensor],
    ragged: Ragged,
    after: Tensor | None = None,
) -> Tensor:
    (pool, new_pool), (x, dt, b, c) = pools, (selection.x, selection.dt, selection.b, selection.c)
    _, num_heads, num_channels, state_size = pool.shape
    y = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    grid = (num_heads, triton.cdiv(num_channels, _BLOCK_P), len(ragged))
    _step[grid](
        x, dt, b, c, heads.a, heads.d, heads.dt_bias, pool, new_pool, after, y,
        ragged.starts, ragged.slots, ragged.kept_heads,
        selection.heads_per_group, num_channels, state_size,
        x.stride(0), x.stride(1), dt.stride(0), b.stride(0), b.stride(1), c.stride(0), c.stride(1),
        pool.stride(0), new_pool.stride(0), num_channels * state_size,
        KEEPS_EACH=after is not None, LIMITS_HEADS=ragged.kept_heads is not None,
        BLOCK_P=_BLOCK_P, BLOCK_N=triton.next_power_of_2(state_size),
    )  # fmt: skip
    return y


_SIGNATURE = {
    **dict.fromkeys(("x_ptr", "dt_ptr", "b_ptr", "c_ptr", "y_ptr"), "*bf16"),
    **dict.fromkeys(("a_ptr", "d_ptr", "dt_bias_ptr", "pool_ptr", "new_pool_ptr", "after_ptr"), "*fp32"),
    **dict.fromkeys(("starts_ptr", "slots_ptr", "kept_heads_ptr"), "*i32"),
    **dict.fromkeys(
        ("heads_per_group", "num_channels", "state_size", "stride_x_token", "stride_x_head"), "i32"
    ),
    **dict.fromkeys(("stride_dt_token", "stride_b_token", "stride_b_group", "stride_c_token"), "i32"),
    **dict.fromkeys(("stride_c_group", "stride_slot", "stride_new_slot", "stride_head"), "i32"),
}
_HALF_STATE = dict.fromkeys(("pool_ptr", "new_pool_ptr", "after_ptr"), "*fp16")
_WHOLE = tuple(name for name, kind in _SIGNATURE.items() if kind == "i32" and name != "heads_per_group")

BUILDS = tuple(
    Build(
        name,
        _step,
        {**_SIGNATURE, **types},
        {"KEEPS_EACH": keeps_each, "LIMITS_HEADS": limits, "BLOCK_P": _BLOCK_P, "BLOCK_N": 128},
        divisible=_WHOLE,
    )
    for name, types, keeps_each, limits in (
        ("step", {}, False, False),
        ("step of mixed sizes, float16 state", _HALF_STATE, False, True),
        ("draft", {}, True, False),
    )
)
