"""What does a Mamba 2 layer do with one token of each sequence, between its two projections?

`projected` [batch, gate | x | b | c | dt] goes through the convolution, the state update and the gated norm,
and becomes [batch, H * P]. Both memories are brought up to date in place at `slots` int32 [batch]; a
negative slot starts from zeros and keeps nothing. Where sizes are mixed, `kept_heads` int32 [batch] says
how many heads of every group a sequence's size has; the others give zeros and their memory is not looked at.
"""

from torch import Tensor

from nemotron_kernels._choice import runs_triton
from nemotron_kernels.mamba_step import reference
from nemotron_kernels.mamba_step.reference import Memory, Mixer

__all__ = ["Memory", "Mixer", "mamba_step"]


def mamba_step(
    projected: Tensor, mixer: Mixer, memory: Memory, slots: Tensor, kept_heads: Tensor | None = None
) -> Tensor:
    """One step of every sequence."""
    if runs_triton(projected):
        from nemotron_kernels.mamba_step import kernel

        return kernel.mamba_step(projected, mixer, memory, slots, kept_heads)
    return reference.mamba_step(projected, mixer, memory, slots, kept_heads)
