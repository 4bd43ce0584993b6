# pyright: basic, reportArgumentType=false
"""How does a GPU gate and normalise a group of channels in one pass?

A program holds one group of one row: it is read once, and no other program is needed for its mean.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from nemotron_kernels._build import Build
from nemotron_kernels._elementwise import silu


@triton.jit
def _norm(
    x_ptr,
    gate_ptr,
    weight_ptr,
    kept_ptr,
    out_ptr,
    group_size,
    epsilon,
    stride_x_row,
    stride_gate_row,
    stride_out_row,
    LIMITS: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    row, group = tl.program_id(0).to(tl.int64), tl.program_id(1)
    place = tl.arange(0, BLOCK_C)
    channel = group * group_size + place
    is_channel = place < group_size
    kept = group_size
    if LIMITS:
        kept = tl.load(kept_ptr + row)
    is_kept = place < kept

    # u = x * silu(gate);  out = u / sqrt(mean(u^2) + epsilon) * weight
    x = tl.load(x_ptr + row * stride_x_row + channel, mask=is_kept, other=0.0).to(tl.float32)
    gate = tl.load(gate_ptr + row * stride_gate_row + channel, mask=is_kept, other=0.0).to(tl.float32)
    weight = tl.load(weight_ptr + channel, mask=is_kept, other=0.0).to(tl.float32)
    u = x * silu(gate)
    mean = tl.sum(u * u, axis=0) / tl.maximum(kept, 1)
    out = u * tl.rsqrt(mean + epsilon) * weight
    tl.store(out_ptr + row * stride_out_row + channel, out, mask=is_channel)


def gated_group_norm(
    x: Tensor, gate: Tensor, weight: Tensor, num_groups: int, epsilon: float, kept: Tensor | None = None
) -> Tensor:
    """Gate `x`, then give every group of channels a root mean square of one."""
    rows, gates = x.reshape(-1, x.shape[-1]), gate.reshape(-1, gate.shape[-1])
    out = torch.empty(rows.shape, dtype=x.dtype, device=x.device)
    group_size = rows.shape[1] // num_groups
    if len(rows):
        _norm[(len(rows), num_groups)](
            rows, gates, weight, kept, out, group_size, epsilon,
            rows.stride(0), gates.stride(0), out.stride(0),
            LIMITS=kept is not None, BLOCK_C=triton.next_power_of_2(group_size),
        )  # fmt: skip
    return out.view(x.shape)


_SIGNATURE = {
    **dict.fromkeys(("x_ptr", "gate_ptr", "weight_ptr", "out_ptr"), "*bf16"),
    "kept_ptr": "*i32",
    "epsilon": "fp32",
    **dict.fromkeys(("group_size", "stride_x_row", "stride_gate_row", "stride_out_row"), "i32"),
}

BUILDS = tuple(
    Build(
        name,
        _norm,
        _SIGNATURE,
        {"LIMITS": limits, "BLOCK_C": group_size},
        divisible=("group_size", "stride_x_row", "stride_gate_row", "stride_out_row"),
    )
    for name, group_size, limits in (
        ("Nano", 512, False),
        ("Super, mixed sizes", 1024, True),
    )
)
