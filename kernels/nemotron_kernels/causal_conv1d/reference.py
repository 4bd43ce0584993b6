"""What is the causal depthwise convolution, in plain torch?"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nemotron_kernels.ragged import Ragged, remembered


@dataclass(frozen=True, slots=True)
class Filter:
    """What each channel has learnt: `weight` [channels, K] and, in some models, `bias` [channels]."""

    weight: Tensor
    bias: Tensor | None = None


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


def causal_conv1d_ragged(
    x: Tensor, pool: Tensor, ragged: Ragged, taps_filter: Filter, after: Tensor | None = None
) -> Tensor:
    """Convolve every sequence of `x` [tokens, channels] behind its taps in `pool`, then renew those.

    With `after` [tokens, K - 1, channels] the taps behind every token go there, and the pool stays.
    """
    out = torch.empty_like(x)
    for tokens, slot in ragged.sequences():
        taps = remembered(pool, slot)
        result, final = causal_conv1d(x[None, tokens], taps[None], taps_filter.weight, taps_filter.bias)
        out[tokens] = result[0]
        if after is not None:
            inputs = torch.cat([taps.to(x.dtype), x[tokens]])
            after[tokens] = inputs.unfold(0, len(taps), 1)[1:].mT
        elif slot >= 0:
            pool[slot] = final[0]
    return out
