# pyright: basic, reportArgumentType=false
"""How does a GPU add a residual and normalise the sum in one launch?

A program keeps one row in registers, so the row is read once and the statistics cost no second pass.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from nemotron_kernels._build import Build


def rms_norm(x: Tensor, weight: Tensor | None, epsilon: float, *, out: Tensor | None = None) -> Tensor:
    rows = x.reshape(-1, x.shape[-1])
    out = torch.empty_like(rows) if out is None else out
    _launch(rows, None, weight, epsilon, None, (out, None))
    return out.view(x.shape)


def add_rms_norm(
    x: Tensor,
    residual: Tensor,
    weight: Tensor | None,
    epsilon: float,
    widths: Tensor | None = None,
    *,
    out: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    out = out or (torch.empty_like(x), torch.empty_like(residual))
    _launch(x, residual, weight, epsilon, widths, out)
    return out


def _launch(
    x: Tensor,
    residual: Tensor | None,
    weight: Tensor | None,
    epsilon: float,
    widths: Tensor | None,
    out: tuple[Tensor, Tensor | None],
) -> None:
    """What is absent is never read; another tensor stands in for its pointer."""
    num_rows, width = x.shape
    normed, total = out
    if not num_rows:
        return
    other, sums = (x if part is None else part for part in (residual, total))
    block = triton.next_power_of_2(width)
    _norm[(num_rows,)](
        x, other, x if weight is None else weight, x if widths is None else widths, normed, sums,
        epsilon, width, *x.stride(), *other.stride(), normed.stride(0), sums.stride(0),
        HAS_RESIDUAL=residual is not None, HAS_WEIGHT=weight is not None, HAS_WIDTHS=widths is not None,
        BLOCK=block, num_warps=_warps(block),
    )  # fmt: skip


def _warps(block: int) -> int:
    """16 channels a thread, two reads of 16 bytes in bfloat16."""
    return max(1, min(16, block // 512))


@triton.jit
def _norm(
    x_ptr, residual_ptr, weight_ptr, width_ptr, out_ptr, sum_ptr, epsilon, width,
    stride_x, stride_x_channel, stride_residual, stride_residual_channel, stride_out, stride_sum,
    HAS_RESIDUAL: tl.constexpr, HAS_WEIGHT: tl.constexpr, HAS_WIDTHS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row, channel = tl.program_id(0).to(tl.int64), tl.arange(0, BLOCK)  # [BLOCK]
    num_kept = tl.minimum(tl.load(width_ptr + row), width) if HAS_WIDTHS else width
    is_kept = channel < num_kept
    x = tl.load(x_ptr + row * stride_x + channel * stride_x_channel, mask=is_kept, other=0.0).to(tl.float32)
    if HAS_RESIDUAL:
        source = residual_ptr + row * stride_residual + channel * stride_residual_channel
        x += tl.load(source, mask=is_kept, other=0.0).to(tl.float32)
        rounded = x.to(sum_ptr.dtype.element_ty)
        tl.store(sum_ptr + row * stride_sum + channel, rounded, mask=channel < width)
        x = rounded.to(tl.float32)
    # out = x / sqrt(mean(x^2) + epsilon) * weight
    mean = tl.sum(x * x, axis=0) / tl.maximum(num_kept, 1)
    x *= 1.0 / tl.sqrt(mean + epsilon)
    if HAS_WEIGHT:
        x *= tl.load(weight_ptr + channel, mask=is_kept, other=0.0).to(tl.float32)
    tl.store(out_ptr + row * stride_out + channel, x.to(out_ptr.dtype.element_ty), mask=channel < width)


_STRIDES = ("stride_x", "stride_residual", "stride_out", "stride_sum")
_SIGNATURE = {
    **dict.fromkeys(("x_ptr", "residual_ptr", "weight_ptr", "out_ptr", "sum_ptr"), "*bf16"),
    "width_ptr": "*i32",
    "epsilon": "fp32",
    "width": "i32",
    **dict.fromkeys(_STRIDES, "i64"),
}

# Nano's 2688 channels with mixed sizes, Diffusion-8B's 4096, Ultra's 8192.
BUILDS = tuple(
    Build(
        name,
        _norm,
        signature=_SIGNATURE,
        constants={
            "stride_x_channel": 1,
            "stride_residual_channel": 1,
            "HAS_RESIDUAL": True,
            "HAS_WEIGHT": True,
            "HAS_WIDTHS": has_widths,
            "BLOCK": block,
        },
        num_warps=_warps(block),
        divisible=("width", *_STRIDES),
    )
    for name, has_widths, block in (
        ("add_norm_2688_mixed", True, 4096),
        ("add_norm_4096", False, 4096),
        ("add_norm_8192", False, 8192),
    )
)
