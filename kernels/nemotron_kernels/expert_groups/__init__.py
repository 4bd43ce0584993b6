"""Which rows does each expert work on, in tiles of one size?

Row t * K + j is token t's visit to expert `experts[t, j]`. Rows are put in the order of their experts, then
of their numbers, and every visited expert's part is filled up to whole tiles. Nothing is asked of the
device: there are as many places as the worst routing needs, and those left over say so.
"""

from torch import Tensor

from nemotron_kernels._choice import runs_triton
from nemotron_kernels.expert_groups import reference
from nemotron_kernels.expert_groups.reference import Groups

__all__ = ["Groups", "group_by_expert"]


def group_by_expert(experts: Tensor, num_experts: int, tile: int) -> Groups:
    """Group the visits `experts` [tokens, K]; `tile` is a power of two."""
    if runs_triton(experts):
        from nemotron_kernels.expert_groups import kernel

        return kernel.group_by_expert(experts, num_experts, tile)
    return reference.group_by_expert(experts, num_experts, tile)
