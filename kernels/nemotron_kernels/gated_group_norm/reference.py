"""What is the gated group norm, in plain torch?"""

import torch
import torch.nn.functional as F
from torch import Tensor


def gated_group_norm(x: Tensor, gate: Tensor, weight: Tensor, num_groups: int, epsilon: float) -> Tensor:
    """Gate `x`, then give every group of channels a root mean square of one."""
    gated = x.float() * F.silu(gate.float())
    grouped = torch.unflatten(gated, -1, (num_groups, -1))
    normed = F.rms_norm(grouped, grouped.shape[-1:], eps=epsilon)
    return (normed.flatten(-2) * weight.float()).to(x.dtype)
