"""How does each channel mix with its own last few tokens?

out[t] = silu(bias + sum_k weight[k] * x[t - K + 1 + k]), for every channel on its own.
`x` is [batch, length, channels], `taps` [batch, K - 1, channels] are the inputs before it, `weight` is
[channels, K]. Returns the output and the taps that the next token needs. A single token is the case
length = 1, so prefill and decode share the definition.

The ragged form takes `x` [tokens, channels] and holds every sequence's taps in a pool
[slots, K - 1, channels], which it brings up to date in place; tokens that may be taken back leave the pool
as it is and say what it would hold after each of them.
"""

from torch import Tensor

from nemotron_kernels._choice import runs_triton
from nemotron_kernels.causal_conv1d import reference
from nemotron_kernels.causal_conv1d.reference import Filter
from nemotron_kernels.ragged import Ragged

__all__ = ["Filter", "causal_conv1d", "causal_conv1d_ragged"]


def causal_conv1d(x: Tensor, taps: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Convolve `x` behind `taps`; also return the last inputs, which are the next taps."""
    if runs_triton(x):
        from nemotron_kernels.causal_conv1d import kernel

        return kernel.causal_conv1d(x, taps, weight, bias)
    return reference.causal_conv1d(x, taps, weight, bias)


def causal_conv1d_ragged(
    x: Tensor, pool: Tensor, ragged: Ragged, taps_filter: Filter, after: Tensor | None = None
) -> Tensor:
    """Convolve every sequence of `x` [tokens, channels] behind its taps in `pool`, then renew those.

    With `after` [tokens, K - 1, channels] the taps behind every token go there, and the pool stays.
    """
    if runs_triton(x):
        from nemotron_kernels.causal_conv1d import kernel

        return kernel.causal_conv1d_ragged(x, pool, ragged, taps_filter, after)
    return reference.causal_conv1d_ragged(x, pool, ragged, taps_filter, after)
