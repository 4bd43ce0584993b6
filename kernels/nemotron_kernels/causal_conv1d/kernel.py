# pyright: basic, reportArgumentType=false
"""How does a GPU convolve every channel with its last tokens, for prompts and for single tokens alike?

A program owns a tile of one sequence's tokens by channels. Each of the K products reads the tile anew, one
token further back: the reads after the first come from the nearest cache, and no token's neighbour has to be
passed between threads.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from nemotron_kernels._build import Build
from nemotron_kernels._elementwise import silu
from nemotron_kernels.causal_conv1d.reference import Filter
from nemotron_kernels.ragged import Ragged, equal_lengths


@triton.jit
def _convolve(
    x_ptr,
    pool_ptr,
    weight_ptr,
    bias_ptr,
    out_ptr,
    new_pool_ptr,
    after_ptr,
    starts_ptr,
    slots_ptr,
    num_channels,
    stride_x,
    stride_out,
    stride_slot,
    stride_tap,
    stride_new_slot,
    stride_new_tap,
    stride_weight,
    stride_weight_tap,
    TAPS: tl.constexpr,  # K - 1
    HAS_BIAS: tl.constexpr,
    KEEPS_EACH: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    sequence = tl.program_id(0)
    start = tl.load(starts_ptr + sequence)
    length = tl.load(starts_ptr + sequence + 1) - start
    start = start.to(tl.int64)
    slot = tl.load(slots_ptr + sequence).to(tl.int64)
    token = tl.program_id(1) * BLOCK_T + tl.arange(0, BLOCK_T)[:, None]  # [BLOCK_T, 1]
    channel = tl.program_id(2) * BLOCK_C + tl.arange(0, BLOCK_C)[None, :]  # [1, BLOCK_C]
    is_channel = channel < num_channels
    is_token = (token < length) & is_channel
    has_tap = channel < tl.where(slot >= 0, num_channels, 0)  # without a slot the sequence has no taps

    # out[t] = silu(bias + sum_k weight[k] * input[t - TAPS + k]); inputs before the first are taps.
    total = tl.zeros((BLOCK_T, BLOCK_C), tl.float32)
    if HAS_BIAS:
        total += tl.load(bias_ptr + channel, mask=is_channel, other=0.0).to(tl.float32)
    for k in tl.static_range(TAPS + 1):
        place = token - TAPS + k
        own = tl.load(x_ptr + (start + place) * stride_x + channel, mask=is_token & (place >= 0), other=0.0)
        tap_ptr = pool_ptr + slot * stride_slot + (place + TAPS) * stride_tap + channel
        tap = tl.load(tap_ptr, mask=is_token & has_tap & (place < 0), other=0.0)
        value = tl.where(place < 0, tap.to(own.dtype), own)
        factor_ptr = weight_ptr + channel * stride_weight + k * stride_weight_tap
        factor = tl.load(factor_ptr, mask=is_channel, other=0.0)
        total += value.to(tl.float32) * factor.to(tl.float32)
        if KEEPS_EACH and k > 0:
            kept = ((start + token) * TAPS + k - 1) * num_channels + channel
            tl.store(after_ptr + kept, value, mask=is_token)
    tl.store(out_ptr + (start + token) * stride_out + channel, silu(total), mask=is_token)

    if not KEEPS_EACH and tl.program_id(1) == 0 and slot >= 0:
        # The first tile alone reads the old taps, so it may replace them.
        _renew(
            x_ptr + start * stride_x, pool_ptr + slot * stride_slot, new_pool_ptr + slot * stride_new_slot,
            length, num_channels, stride_x, stride_tap, stride_new_tap, TAPS, BLOCK_C,
        )  # fmt: skip


@triton.jit
def _renew(
    x_ptr,
    taps_ptr,
    new_taps_ptr,
    length,
    num_channels,
    stride_x,
    stride_tap,
    stride_new_tap,
    TAPS: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """The last inputs of a sequence become its taps."""
    channel = tl.program_id(2) * BLOCK_C + tl.arange(0, BLOCK_C)
    for k in tl.static_range(TAPS):
        place = length - TAPS + k
        is_new = channel < tl.where(place >= 0, num_channels, 0)
        is_old = channel < tl.where(place < 0, num_channels, 0)
        own = tl.load(x_ptr + place.to(tl.int64) * stride_x + channel, mask=is_new, other=0.0)
        tap = tl.load(taps_ptr + (place + TAPS) * stride_tap + channel, mask=is_old, other=0.0)
        # Tap k comes from a place behind it: once all threads have read it, what it replaces is not needed.
        tl.debug_barrier()
        value = tl.where(is_old, tap.to(own.dtype), own)
        tl.store(new_taps_ptr + k * stride_new_tap + channel, value, mask=channel < num_channels)
        tl.debug_barrier()


def causal_conv1d(x: Tensor, taps: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """A batch of equal lengths: sequence s is its own slot, and the taps go to new memory."""
    batch, length, channels = x.shape
    ragged = equal_lengths(batch, length, x.device)
    new_taps = torch.empty(batch, *taps.shape[1:], dtype=x.dtype, device=x.device)
    rows, out = x.reshape(batch * length, channels), torch.empty_like(x).view(-1, channels)
    _launch(rows, (taps, new_taps), ragged, Filter(weight, bias), out)
    return out.view(x.shape), new_taps


def causal_conv1d_ragged(
    x: Tensor, pool: Tensor, ragged: Ragged, taps_filter: Filter, after: Tensor | None = None
) -> Tensor:
    """Convolve every sequence of `x` [tokens, channels] behind its taps in `pool`, then renew those."""
    out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    _launch(x, (pool, pool), ragged, taps_filter, out, after)
    return out


def _launch(
    x: Tensor,
    pools: tuple[Tensor, Tensor],
    ragged: Ragged,
    taps_filter: Filter,
    out: Tensor,
    after: Tensor | None = None,
) -> None:
    (pool, new_pool), weight, channels = pools, taps_filter.weight, x.shape[1]
    block_t, block_c = _tile(ragged.longest)
    grid = (len(ragged), triton.cdiv(ragged.longest, block_t), triton.cdiv(channels, block_c))
    _convolve[grid](
        x, pool, weight, taps_filter.bias, out, new_pool, after, ragged.starts, ragged.slots, channels,
        x.stride(0), out.stride(0), pool.stride(0), pool.stride(1), new_pool.stride(0), new_pool.stride(1),
        weight.stride(0), weight.stride(1),
        TAPS=weight.shape[1] - 1, HAS_BIAS=taps_filter.bias is not None, KEEPS_EACH=after is not None,
        BLOCK_T=block_t, BLOCK_C=block_c,
    )  # fmt: skip


def _tile(longest: int) -> tuple[int, int]:
    """Tokens and channels of a program: a step has one token, and is wide so that its reads are."""
    return (1, 256) if longest == 1 else (16, 128)


_SIGNATURE = {
    **dict.fromkeys(("x_ptr", "pool_ptr", "weight_ptr", "bias_ptr", "out_ptr", "new_pool_ptr"), "*bf16"),
    "after_ptr": "*bf16",
    **dict.fromkeys(("starts_ptr", "slots_ptr"), "*i32"),
    **dict.fromkeys(("num_channels", "stride_x", "stride_out", "stride_slot", "stride_tap"), "i32"),
    **dict.fromkeys(("stride_new_slot", "stride_new_tap", "stride_weight", "stride_weight_tap"), "i32"),
}
_WHOLE = (
    "num_channels",
    "stride_x",
    "stride_out",
    "stride_slot",
    "stride_tap",
    "stride_new_slot",
    "stride_new_tap",
)

BUILDS = tuple(
    Build(
        name,
        _convolve,
        _SIGNATURE,
        {
            "TAPS": 3,
            "HAS_BIAS": True,
            "KEEPS_EACH": keeps_each,
            **dict(zip(("BLOCK_T", "BLOCK_C"), tile, strict=True)),
        },
        divisible=_WHOLE,
    )
    for name, tile, keeps_each in (
        ("step", _tile(1), False),
        ("prompt", _tile(4096), False),
        ("draft", _tile(8), True),
    )
)
