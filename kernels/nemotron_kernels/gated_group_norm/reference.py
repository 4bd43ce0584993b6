"""What is the gated group norm, in plain torch?"""

import torch.nn.functional as F
from torch import Tensor

from nemotron_kernels.rms_norm import rms_norm


def gated_group_norm(x: Tensor, gate: Tensor, weight: Tensor, num_groups: int, epsilon: float) -> Tensor:
    """Gate `x`, then give every group of channels a root mean square of one."""
    gated = x.float() * F.silu(gate.float())
    grouped = gated.view(*gated.shape[:-1], num_groups, -1)
    weights = weight.view(num_groups, -1)
    return rms_norm(grouped, weights, epsilon).view(gated.shape).to(x.dtype)
