"""How are a state space's outputs gated and normalised?

u = x * silu(gate);  out = u / sqrt(mean(u^2 over its group) + epsilon) * weight.
`x` and `gate` are [*, channels] and `weight` is [channels]; a group is channels / num_groups neighbours.
The gate comes before the norm, and the statistics are float32. Where rows of several sizes are mixed,
`kept` int32 [*] says how many channels of every group a row's size has; the others give zeros.
"""

from torch import Tensor

from nemotron_kernels._choice import runs_triton
from nemotron_kernels.gated_group_norm import reference

__all__ = ["gated_group_norm"]


def gated_group_norm(
    x: Tensor, gate: Tensor, weight: Tensor, num_groups: int, epsilon: float, kept: Tensor | None = None
) -> Tensor:
    """Gate `x`, then give every group of channels a root mean square of one."""
    if runs_triton(x):
        from nemotron_kernels.gated_group_norm import kernel

        return kernel.gated_group_norm(x, gate, weight, num_groups, epsilon, kept)
    return reference.gated_group_norm(x, gate, weight, num_groups, epsilon, kept)
