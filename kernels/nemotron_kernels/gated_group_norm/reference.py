"""What is the gated group norm, in plain torch?"""

import torch
import torch.nn.functional as F
from torch import Tensor

from nemotron_kernels.rms_norm import rms_norm


def gated_group_norm(
    x: Tensor, gate: Tensor, weight: Tensor, num_groups: int, epsilon: float, kept: Tensor | None = None
) -> Tensor:
    """Gate `x`, then give every group of channels a root mean square of one."""
    gated = x.float() * F.silu(gate.float())
    grouped = gated.view(*gated.shape[:-1], num_groups, -1)
    weights = weight.view(num_groups, -1)
    if kept is not None:
        return _norm_kept(grouped, weights, epsilon, kept[..., None, None]).view(gated.shape).to(x.dtype)
    return rms_norm(grouped, weights, epsilon).view(gated.shape).to(x.dtype)


def _norm_kept(grouped: Tensor, weights: Tensor, epsilon: float, kept: Tensor) -> Tensor:
    is_kept = torch.arange(grouped.shape[-1], device=grouped.device) < kept
    held = grouped.where(is_kept, 0.0)
    mean = held.square().sum(dim=-1, keepdim=True) / kept.clamp_min(1)
    return held * torch.rsqrt(mean + epsilon) * weights
