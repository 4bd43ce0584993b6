"""How does each channel mix with its own last few tokens?

out[t] = silu(bias + sum_k weight[k] * x[t - K + 1 + k]), for every channel on its own.
`x` is [batch, length, channels], `taps` [batch, K - 1, channels] are the inputs before it, `weight` is
[channels, K]. Returns the output and the taps that the next token needs. A single token is the case
length = 1, so prefill and decode share the definition.
"""

from nemotron_kernels.causal_conv1d.reference import causal_conv1d

__all__ = ["causal_conv1d"]
