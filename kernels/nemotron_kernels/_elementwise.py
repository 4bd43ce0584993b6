"""How does a Triton kernel apply the functions of one number that Nemotron's layers use?"""

import triton
import triton.language as tl


@triton.jit
def silu(x):
    """x * sigmoid(x)."""
    return x / (1.0 + tl.exp(-x))


@triton.jit
def softplus(x):
    """log(1 + exp(x)), to float32's last digits at both ends.

    Far below zero 1 + exp(x) loses exp(x), and step sizes of a state space lie there: a short series is
    exact where exp(x) is small, and far above zero the result is x.
    """
    grown = tl.exp(tl.minimum(x, 20.0))
    series = grown * (1.0 - grown * (0.5 - grown * (1.0 / 3.0 - grown * 0.25)))
    return tl.where(x > 20.0, x, tl.where(grown < 0.02, series, tl.log(1.0 + grown)))
