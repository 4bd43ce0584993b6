# pyright: basic, reportArgumentType=false
"""How does a GPU scan prompts of several lengths without ever writing a chunk's state to memory?

A program owns some channels of one head of one sequence and walks through that sequence's chunks with the
state in registers. Passing states through memory between chunks would let one long prompt use more
multiprocessors, and would cost three more passes over those states, which are most of the scan's bytes.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from nemotron_kernels._build import Build, Target
from nemotron_kernels._choice import is_interpreted
from nemotron_kernels._elementwise import softplus
from nemotron_kernels.ragged import Ragged, equal_lengths
from nemotron_kernels.state_space import HeadParameters, Selection

# A head of 64 channels in two programs: one sequence of Nano's 64 heads then fills an H100's 132
# multiprocessors, at the price of computing the chunk's C B^T twice.
_BLOCK_P = 32
_LARGEST_CHUNK = 64
_LARGEST_CHUNK_IN_REGISTERS = 32
_WARPS, _STAGES = 8, 2  # with four warps, or offsets kept between chunks, registers spill
_SMALLEST_CHUNK = 16  # what a tensor core takes


@triton.jit
def _operand(x, HALF: tl.constexpr, INTERPRETED: tl.constexpr):
    """What a tensor core takes of x. The interpreter's bfloat16 product is wrong, so it is widened again."""
    rounded = x.to(tl.bfloat16 if HALF else tl.float32)
    if INTERPRETED:
        rounded = rounded.to(tl.float32)
    return rounded


@triton.jit
def _scan(
    x_ptr,
    dt_ptr,
    b_ptr,
    c_ptr,
    a_ptr,
    d_ptr,
    dt_bias_ptr,
    pool_ptr,
    new_pool_ptr,
    y_ptr,
    starts_ptr,
    slots_ptr,
    kept_heads_ptr,
    heads_per_group,
    stride_x_token,
    stride_x_head,
    stride_dt_token,
    stride_b_token,
    stride_b_group,
    stride_c_token,
    stride_c_group,
    stride_slot,
    stride_new_slot,
    LIMITS_HEADS: tl.constexpr,
    HALF: tl.constexpr,
    PRECISION: tl.constexpr,
    INTERPRETED: tl.constexpr,
    CHUNK: tl.constexpr,
    CHANNELS: tl.constexpr,
    STATE: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    head, num_heads = tl.program_id(1), tl.num_programs(1)
    sequence = tl.program_id(2)
    start = tl.load(starts_ptr + sequence)
    length = tl.load(starts_ptr + sequence + 1) - start
    slot = tl.load(slots_ptr + sequence).to(tl.int64)
    group = head // heads_per_group
    channel = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)  # [BLOCK_P]
    entry = tl.arange(0, BLOCK_N)  # [BLOCK_N]
    is_channel, is_entry = channel < CHANNELS, entry < STATE
    # The state is held as its transpose [BLOCK_N, BLOCK_P], as both products want it.
    inside = (head * CHANNELS + channel[None, :]) * STATE + entry[:, None]
    kept_channels = CHANNELS
    if LIMITS_HEADS:
        kept_channels = tl.where(head % heads_per_group < tl.load(kept_heads_ptr + sequence), CHANNELS, 0)
    is_kept = channel < kept_channels
    has_memory = is_entry[:, None] & (channel < tl.where(slot >= 0, kept_channels, 0))[None, :]

    a, d, dt_bias = tl.load(a_ptr + head), tl.load(d_ptr + head), tl.load(dt_bias_ptr + head)
    state = tl.load(pool_ptr + slot * stride_slot + inside, mask=has_memory, other=0.0).to(tl.float32)
    place = tl.arange(0, CHUNK)
    for first in range(0, length, CHUNK):
        is_token = first + place < length
        token = (start + first + place).to(tl.int64)
        is_x, is_b = is_token[:, None] & is_channel[None, :], is_token[:, None] & is_entry[None, :]
        x_at = x_ptr + token[:, None] * stride_x_token + head * stride_x_head + channel[None, :]
        b_at = b_ptr + token[:, None] * stride_b_token + group * stride_b_group + entry[None, :]
        c_at = c_ptr + token[:, None] * stride_c_token + group * stride_c_group + entry[None, :]
        x = tl.load(x_at, mask=is_x, other=0.0)  # [CHUNK, BLOCK_P]
        b = _operand(tl.load(b_at, mask=is_b, other=0.0), HALF, INTERPRETED)  # [CHUNK, BLOCK_N]
        c = _operand(tl.load(c_at, mask=is_b, other=0.0), HALF, INTERPRETED)

        # A token past the end takes no step: its dt is 0.
        raw = tl.load(dt_ptr + token * stride_dt_token + head, mask=is_token, other=0.0).to(tl.float32)
        dt = tl.where(is_token, softplus(raw + dt_bias), 0.0)
        # Differences of long sums lose digits in float32: sum in float64, subtract in two float32 parts.
        step = (dt * a).to(tl.float64)
        elapsed = tl.cumsum(step, axis=0)
        high = elapsed.to(tl.float32)
        low = (elapsed - high.to(tl.float64)).to(tl.float32)
        until_end = tl.exp((tl.sum(step, axis=0) - elapsed).to(tl.float32))

        # y_t = sum over s <= t of exp(elapsed_t - elapsed_s) (c_t . b_s) dt_s x_s
        #       + exp(elapsed_t) S c_t + d x_t
        between = (high[:, None] - high[None, :]) + (low[:, None] - low[None, :])
        decay = tl.exp(tl.where(place[:, None] >= place[None, :], between, float("-inf")))
        scores = tl.dot(c, tl.trans(b), input_precision=PRECISION) * decay * dt[None, :]
        carried = tl.dot(c, _operand(state, HALF, INTERPRETED), input_precision=PRECISION)
        y = carried * tl.exp(high)[:, None] + d * x.to(tl.float32)
        scores, own = _operand(scores, HALF, INTERPRETED), _operand(x, HALF, INTERPRETED)
        y = tl.dot(scores, own, acc=y, input_precision=PRECISION)
        y_at = y_ptr + (token[:, None] * num_heads + head) * CHANNELS + channel[None, :]
        tl.store(y_at, tl.where(is_kept[None, :], y, 0.0), mask=is_x)

        # S = exp(all) S + sum over s of exp(all - elapsed_s) dt_s x_s (outer) b_s
        # What is written stays, so it is multiplied in two parts and keeps twice the digits of an operand.
        written = x.to(tl.float32) * (dt * until_end)[:, None]
        coarse = _operand(written, HALF, INTERPRETED)
        state = state * tl.exp(tl.sum(step, axis=0).to(tl.float32))
        state = tl.dot(tl.trans(b), coarse, acc=state, input_precision=PRECISION)
        if HALF:
            fine = _operand(written - coarse.to(tl.float32), HALF, INTERPRETED)
            state = tl.dot(tl.trans(b), fine, acc=state, input_precision=PRECISION)
    tl.store(new_pool_ptr + slot * stride_new_slot + inside, state, mask=has_memory)


def chunk_scan(
    selection: Selection, heads: HeadParameters, state: Tensor, chunk_size: int
) -> tuple[Tensor, Tensor]:
    """Return the outputs [batch, length, H, P] and the state after the last token."""
    batch, length = selection.x.shape[:2]
    new_state = torch.empty(state.shape, dtype=state.dtype, device=state.device)
    ragged = equal_lengths(batch, length, state.device)
    y = _launch(selection.packed(), heads, (state.contiguous(), new_state), ragged, chunk_size)
    return y.view(selection.x.shape), new_state


def chunk_scan_ragged(
    selection: Selection, heads: HeadParameters, pool: Tensor, ragged: Ragged, chunk_size: int
) -> Tensor:
    """Scan every sequence from its state in `pool`, and bring that up to date."""
    return _launch(selection, heads, (pool, pool), ragged, chunk_size)


def _launch(
    selection: Selection,
    heads: HeadParameters,
    pools: tuple[Tensor, Tensor],
    ragged: Ragged,
    chunk_size: int,
) -> Tensor:
    (pool, new_pool), (x, dt, b, c) = pools, (selection.x, selection.dt, selection.b, selection.c)
    _, num_heads, num_channels, state_size = pool.shape
    y = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    grid = (triton.cdiv(num_channels, _BLOCK_P), num_heads, len(ragged))
    _scan[grid](
        x, dt, b, c, heads.a, heads.d, heads.dt_bias, pool, new_pool, y,
        ragged.starts, ragged.slots, ragged.kept_heads,
        selection.heads_per_group,
        x.stride(0), x.stride(1), dt.stride(0), b.stride(0), b.stride(1), c.stride(0), c.stride(1),
        pool.stride(0), new_pool.stride(0),
        LIMITS_HEADS=ragged.kept_heads is not None, INTERPRETED=is_interpreted(),
        HALF=x.dtype == torch.bfloat16,
        PRECISION="tf32x3" if x.dtype == torch.float32 else "tf32",
        CHUNK=_chunk(chunk_size, x.device), CHANNELS=num_channels, STATE=state_size,
        BLOCK_P=_BLOCK_P, BLOCK_N=max(16, triton.next_power_of_2(state_size)),
        num_warps=_WARPS, num_stages=_STAGES,
    )  # fmt: skip
    return y


def _chunk(chunk_size: int, device: torch.device) -> int:
    """Longer chunks need more registers than they save work, the more so where all operands lie in them.

    Hopper's and the data centre's Blackwell's tensor cores read operands from shared memory.
    """
    is_wide = device.type != "cuda" or torch.cuda.get_device_capability(device)[0] in (9, 10)
    largest = _LARGEST_CHUNK if is_wide else _LARGEST_CHUNK_IN_REGISTERS
    return min(largest, max(_SMALLEST_CHUNK, int(triton.next_power_of_2(chunk_size))))


_SIGNATURE = {
    **dict.fromkeys(("x_ptr", "dt_ptr", "b_ptr", "c_ptr", "y_ptr"), "*bf16"),
    **dict.fromkeys(("a_ptr", "d_ptr", "dt_bias_ptr", "pool_ptr", "new_pool_ptr"), "*fp32"),
    **dict.fromkeys(("starts_ptr", "slots_ptr", "kept_heads_ptr"), "*i32"),
    **dict.fromkeys(("heads_per_group", "stride_x_token", "stride_x_head"), "i32"),
    **dict.fromkeys(("stride_dt_token", "stride_b_token", "stride_b_group", "stride_c_token"), "i32"),
    **dict.fromkeys(("stride_c_group", "stride_slot", "stride_new_slot"), "i32"),
}
_WHOLE = tuple(name for name, kind in _SIGNATURE.items() if kind == "i32" and name != "heads_per_group")

_CHUNKS: tuple[tuple[int, dict[Target, str], tuple[Target, ...]], ...] = (
    (_LARGEST_CHUNK, {"sm_90": "HGMMA", "sm_100": "UTCHMMA"}, ("sm_80", "sm_120")),
    (_LARGEST_CHUNK_IN_REGISTERS, {"sm_80": "HMMA", "sm_120": "HMMA"}, ("sm_90", "sm_100")),
)
_OTHER_CHUNK = "takes chunks of another length"

BUILDS = tuple(
    Build(
        f"prompt in chunks of {chunk}",
        _scan,
        _SIGNATURE,
        {
            "LIMITS_HEADS": False,
            "HALF": True,
            "PRECISION": "tf32",
            "INTERPRETED": False,
            "CHUNK": chunk,
            "CHANNELS": 64,
            "STATE": 128,
            "BLOCK_P": _BLOCK_P,
            "BLOCK_N": 128,
        },
        num_warps=_WARPS,
        num_stages=_STAGES,
        divisible=_WHOLE,
        instructions=instructions,
        unsupported=dict.fromkeys(others, _OTHER_CHUNK),
    )
    for chunk, instructions, others in _CHUNKS
)
