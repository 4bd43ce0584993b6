"""What is the causal depthwise convolution, in plain torch?"""

import torch
import torch.nn.functional as F
from torch import Tensor


def causal_conv1d(x: Tensor, taps: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Convolve `x` behind `taps`; also return the last inputs, which are the next taps."""
    inputs = torch.cat([taps, x], dim=1)
    length = x.shape[1]
    total = torch.zeros_like(x, dtype=torch.float32) if bias is None else bias.float()
    for k in range(weight.shape[1]):
        total = total + inputs[:, k : k + length].float() * weight[:, k].float()
    return F.silu(total).to(x.dtype), inputs[:, length:]
