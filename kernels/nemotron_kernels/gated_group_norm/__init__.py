"""How are a state space's outputs gated and normalised?

u = x * silu(gate);  out = u / sqrt(mean(u^2 over its group) + epsilon) * weight.
`x` and `gate` are [*, channels] and `weight` is [channels]; a group is channels / num_groups neighbours.
The gate comes before the norm, and the statistics are float32.
"""

from nemotron_kernels.gated_group_norm.reference import gated_group_norm

__all__ = ["gated_group_norm"]
