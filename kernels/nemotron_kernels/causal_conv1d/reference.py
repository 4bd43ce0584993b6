"""What is the causal depthwise convolution, in plain torch?"""

import torch
import torch.nn.functional as F
from torch import Tensor


def causal_conv1d(x: Tensor, taps: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Convolve `x` behind `taps`; also return the last inputs, which are the next taps."""
    inputs = torch.cat([taps, x], dim=1)
    length, size = x.shape[1], weight.shape[1]
    if length == 1:
        columns = list(inputs.split_with_sizes([1] * size, dim=1))
    else:
        columns = [inputs[:, k : k + length] for k in range(size)]
    # The same operations for any length, so that a token gets the same bits alone and among others.
    total = x.new_zeros((), dtype=torch.float32) if bias is None else bias.float()
    for column, own in zip(columns, weight.unbind(1), strict=True):
        total = total.addcmul(column.float(), own)
    return F.silu(total).to(x.dtype), inputs[:, length:]
