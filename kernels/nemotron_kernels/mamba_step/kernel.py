# pyright: basic, reportArgumentType=false
"""How does a GPU step a whole Mamba 2 layer in one launch?

A program owns one group of one sequence: its heads share `b` and `c`, and the norm's mean is over just their
channels, so programs share nothing and the memories may be renewed in place. The group's state, 256 KB
in Nano, passes through registers a head at a time; only the gated outputs stay.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from nemotron_kernels._build import Build
from nemotron_kernels._elementwise import silu, softplus
from nemotron_kernels.mamba_step import reference
from nemotron_kernels.mamba_step.reference import Memory, Mixer

# One program streams its group's state at what one multiprocessor can, some 60 GB/s. Fewer programs than
# this leave most of the card idle, and three launches with a program for every few channels are faster.
_FEWEST_PROGRAMS = 64

# A head's state of 64 x 128 is 32 numbers a thread: two programs' reads then hide each other's arithmetic.
_WARPS = 8


@triton.jit
def _convolved(
    x_ptr,
    taps_ptr,
    weight_ptr,
    bias_ptr,
    channel,
    is_channel,
    has_tap,
    stride_tap,
    stride_weight,
    stride_weight_tap,
    TAPS,
    HAS_BIAS,
):
    """The convolution of some channels with one token; their taps move on by one."""
    total = tl.zeros(channel.shape, tl.float32)
    if HAS_BIAS:
        total += tl.load(bias_ptr + channel, mask=is_channel, other=0.0).to(tl.float32)
    token = tl.load(x_ptr + channel, mask=is_channel, other=0.0)
    for k in tl.static_range(TAPS + 1):
        value = token
        if k < TAPS:
            tap = tl.load(taps_ptr + k * stride_tap + channel, mask=is_channel & has_tap, other=0.0)
            value = tap.to(token.dtype)
        factor = tl.load(
            weight_ptr + channel * stride_weight + k * stride_weight_tap, mask=is_channel, other=0.0
        )
        total += value.to(tl.float32) * factor.to(tl.float32)
        if k > 0:
            # Several threads may hold a channel, and none may write a tap before all have read it.
            tl.debug_barrier()
            tl.store(taps_ptr + (k - 1) * stride_tap + channel, value, mask=is_channel & has_tap)
    return silu(total)


@triton.jit
def _step(
    projected_ptr,
    taps_ptr,
    weight_ptr,
    bias_ptr,
    a_ptr,
    d_ptr,
    dt_bias_ptr,
    state_ptr,
    norm_ptr,
    out_ptr,
    slots_ptr,
    kept_heads_ptr,
    epsilon,
    heads_per_group,
    stride_projected,
    stride_taps_slot,
    stride_tap,
    stride_state_slot,
    stride_weight,
    stride_weight_tap,
    TAPS: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    LIMITS_HEADS: tl.constexpr,
    CHANNELS: tl.constexpr,
    STATE: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    group, num_groups = tl.program_id(0), tl.num_programs(0)
    sequence = tl.program_id(1).to(tl.int64)
    slot = tl.load(slots_ptr + sequence).to(tl.int64)
    place, row, entry = tl.arange(0, BLOCK_P), tl.arange(0, BLOCK_H), tl.arange(0, BLOCK_N)
    is_place, is_entry = place < CHANNELS, entry < STATE
    # Without a slot a sequence has no memory.
    has_place, has_entry = (
        place < tl.where(slot >= 0, CHANNELS, 0),
        entry < tl.where(slot >= 0, STATE, 0),
    )
    inner = num_groups * heads_per_group * CHANNELS
    gate_ptr = projected_ptr + sequence * stride_projected
    mixed_ptr = gate_ptr + inner
    dt_ptr = mixed_ptr + inner + 2 * num_groups * STATE
    taps_ptr += slot * stride_taps_slot
    state_ptr += slot * stride_state_slot
    kept = heads_per_group
    if LIMITS_HEADS:
        kept = tl.load(kept_heads_ptr + sequence)

    b_channel = inner + group * STATE + entry
    b = _convolved(
        mixed_ptr, taps_ptr, weight_ptr, bias_ptr, b_channel, is_entry, has_entry,
        stride_tap, stride_weight, stride_weight_tap, TAPS, HAS_BIAS,
    )  # fmt: skip
    c_channel = b_channel + num_groups * STATE
    c = _convolved(
        mixed_ptr, taps_ptr, weight_ptr, bias_ptr, c_channel, is_entry, has_entry,
        stride_tap, stride_weight, stride_weight_tap, TAPS, HAS_BIAS,
    )  # fmt: skip
    gated = tl.zeros((BLOCK_H, BLOCK_P), tl.float32)
    for own in range(kept):
        head = group * heads_per_group + own
        channel = head * CHANNELS + place
        x = _convolved(
            mixed_ptr, taps_ptr, weight_ptr, bias_ptr, channel, is_place, has_place,
            stride_tap, stride_weight, stride_weight_tap, TAPS, HAS_BIAS,
        )  # fmt: skip
        dt = softplus(tl.load(dt_ptr + head).to(tl.float32) + tl.load(dt_bias_ptr + head))

        # S = exp(dt * a) * S + dt * x (outer) b;  y = S . c + d * x
        state_at = state_ptr + channel[:, None] * STATE + entry[None, :]
        is_state = is_place[:, None] & has_entry[None, :]
        state = tl.load(state_at, mask=is_state, other=0.0).to(tl.float32)  # [BLOCK_P, BLOCK_N]
        state = state * tl.exp(dt * tl.load(a_ptr + head)) + (dt * x)[:, None] * b[None, :]
        tl.store(state_at, state, mask=is_state)
        y = tl.sum(state * c[None, :], axis=1) + tl.load(d_ptr + head) * x

        # u = y * silu(gate)
        gate = tl.load(gate_ptr + channel, mask=is_place, other=0.0).to(tl.float32)
        gated = tl.where(row[:, None] == own, tl.where(is_place, y * silu(gate), 0.0)[None, :], gated)

    # out = u / sqrt(mean(u^2) + epsilon) * norm, the mean over the heads that the size has
    mean = tl.sum(tl.sum(gated * gated, axis=1), axis=0) / tl.maximum(kept * CHANNELS, 1)
    channel = (group * heads_per_group + row[:, None]) * CHANNELS + place[None, :]
    is_channel = (row[:, None] < heads_per_group) & is_place[None, :]
    norm = tl.load(norm_ptr + channel, mask=is_channel, other=0.0).to(tl.float32)
    tl.store(out_ptr + sequence * inner + channel, gated * tl.rsqrt(mean + epsilon) * norm, mask=is_channel)


def mamba_step(
    projected: Tensor, mixer: Mixer, memory: Memory, slots: Tensor, kept_heads: Tensor | None = None
) -> Tensor:
    """One step of every sequence: in one launch where that fills the card, else in three."""
    if len(slots) * mixer.num_groups < _FEWEST_PROGRAMS:
        return reference.mamba_step(projected, mixer, memory, slots, kept_heads)
    return fused_step(projected, mixer, memory, slots, kept_heads)


def fused_step(
    projected: Tensor, mixer: Mixer, memory: Memory, slots: Tensor, kept_heads: Tensor | None = None
) -> Tensor:
    """The one launch."""
    (taps, state), taps_filter, heads = (memory.taps, memory.state), mixer.taps_filter, mixer.heads
    _, num_heads, num_channels, state_size = state.shape
    per_group = num_heads // mixer.num_groups
    out = torch.empty(len(slots), num_heads * num_channels, dtype=projected.dtype, device=projected.device)
    _step[(mixer.num_groups, len(slots))](
        projected, taps, taps_filter.weight, taps_filter.bias, heads.a, heads.d, heads.dt_bias,
        state, mixer.norm, out, slots, kept_heads, mixer.epsilon, per_group,
        projected.stride(0), taps.stride(0), taps.stride(1), state.stride(0), *taps_filter.weight.stride(),
        TAPS=taps.shape[1], HAS_BIAS=taps_filter.bias is not None, LIMITS_HEADS=kept_heads is not None,
        CHANNELS=num_channels, STATE=state_size,
        BLOCK_H=triton.next_power_of_2(per_group), BLOCK_P=triton.next_power_of_2(num_channels),
        BLOCK_N=triton.next_power_of_2(state_size), num_warps=_WARPS,
    )  # fmt: skip
    return out


_SIGNATURE = {
    **dict.fromkeys(("projected_ptr", "taps_ptr", "weight_ptr", "bias_ptr", "norm_ptr", "out_ptr"), "*bf16"),
    **dict.fromkeys(("a_ptr", "d_ptr", "dt_bias_ptr", "state_ptr"), "*fp32"),
    **dict.fromkeys(("slots_ptr", "kept_heads_ptr"), "*i32"),
    "epsilon": "fp32",
    **dict.fromkeys(("heads_per_group", "stride_projected"), "i32"),
    **dict.fromkeys(("stride_taps_slot", "stride_tap", "stride_state_slot"), "i32"),
    **dict.fromkeys(("stride_weight", "stride_weight_tap"), "i32"),
}
_WHOLE = tuple(
    name
    for name, kind in _SIGNATURE.items()
    if kind == "i32" and name not in ("heads_per_group", "stride_weight", "stride_weight_tap")
)

BUILDS = tuple(
    Build(
        name,
        _step,
        {**_SIGNATURE, "state_ptr": kind},
        {
            "TAPS": 3,
            "HAS_BIAS": True,
            "LIMITS_HEADS": limits,
            "BLOCK_H": per_group,
            "CHANNELS": 64,
            "STATE": 128,
            "BLOCK_P": 64,
            "BLOCK_N": 128,
        },
        num_warps=_WARPS,
        divisible=_WHOLE,
    )
    for name, per_group, kind, limits in (
        ("Nano", 8, "*fp32", False),
        ("Super, mixed sizes, float16 state", 16, "*fp16", True),
    )
)
