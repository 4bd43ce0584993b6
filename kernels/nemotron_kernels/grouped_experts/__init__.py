"""What do the chosen experts add to each token?

out[t] = sum over chosen e of weight[t, e] * down_e(relu(up_e(x[t]))^2)

A map's row o is values[e, o] times scale[e, o]: the numbers of its precision and their scale, or no scale
where the numbers are the weights. `values` may be any view with unit stride along its last axis, so a
nested size reads the first experts, rows and columns of the whole network's tensor where they lie.
"""

from nemotron_kernels.grouped_experts.reference import (
    ExpertMaps,
    ExpertWeights,
    Visits,
    grouped_experts,
)

__all__ = ["ExpertMaps", "ExpertWeights", "Visits", "grouped_experts"]
