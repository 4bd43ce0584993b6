"""What do the chosen experts add to each token?

out[t] = sum over chosen e of weight[t, e] * down_e(relu(up_e(x[t]))^2)

A map's row o is values[e, o] times scale[e, o]: the numbers of its precision and their scale, or no scale
where the numbers are the weights. `values` may be any view with unit stride along its last axis, so a
nested size reads the first experts, rows and columns of the whole network's tensor where they lie. `x` is
as wide as the experts are: the latent width, where a model projects into one.
"""

from torch import Tensor

from nemotron_kernels._choice import runs_triton
from nemotron_kernels.grouped_experts import reference
from nemotron_kernels.grouped_experts.reference import ExpertMaps, ExpertWeights, Nvfp4Experts, Visits
from nemotron_kernels.native.experts import NativeExperts
from nemotron_kernels.router import Routing

__all__ = ["ExpertMaps", "ExpertWeights", "Nvfp4Experts", "Visits", "grouped_experts"]


def grouped_experts(x: Tensor, routing: Routing, up: ExpertMaps, down: ExpertMaps) -> Tensor:
    """Send `x` [tokens, in] through its experts."""
    if isinstance(up, NativeExperts) and isinstance(down, NativeExperts):
        return up.send(x, routing, down)
    held = (ExpertWeights, Nvfp4Experts)
    if isinstance(up, held) and isinstance(down, held) and runs_triton(x):
        from nemotron_kernels.grouped_experts import kernel

        return kernel.grouped_experts(x, routing, up, down)
    return reference.grouped_experts(x, routing, up, down)
