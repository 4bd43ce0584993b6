"""Which random tensors stand in for a Mamba 2 layer and what it remembers?"""

import torch
from torch import Tensor

from nemotron_backend.catalog.dimensions import Mamba
from nemotron_backend.gpu_check.tensors import Tensors
from nemotron_kernels.causal_conv1d import Filter
from nemotron_kernels.mamba_step import Memory, Mixer
from nemotron_kernels.state_space import HeadParameters, Selection

_EPSILON = 1e-5


def widths(mamba: Mamba) -> tuple[int, int]:
    """Channels of the heads, and all that are convolved."""
    inner = mamba.heads * mamba.head_dim
    return inner, inner + 2 * mamba.groups * mamba.state


def mixer_of(tensors: Tensors, mamba: Mamba) -> Mixer:
    inner, channels = widths(mamba)
    weight = tensors.normal(channels, mamba.convolution, spread=0.5)
    return Mixer(
        taps_filter=Filter(weight, tensors.normal(channels)),
        heads=heads_of(tensors, mamba),
        norm=tensors.normal(inner),
        epsilon=_EPSILON,
        num_groups=mamba.groups,
    )


def heads_of(tensors: Tensors, mamba: Mamba) -> HeadParameters:
    """Steps and decays about as large as trained ones."""
    a, d, bias = (tensors.normal(mamba.heads, dtype=torch.float32) for _ in range(3))
    return HeadParameters(a=-a.abs() - 0.1, d=d, dt_bias=bias - 2)


def selection_of(tensors: Tensors, mamba: Mamba, *leading: int) -> Selection:
    return Selection(
        x=tensors.normal(*leading, mamba.heads, mamba.head_dim),
        dt=tensors.normal(*leading, mamba.heads),
        b=tensors.normal(*leading, mamba.groups, mamba.state, spread=0.3),
        c=tensors.normal(*leading, mamba.groups, mamba.state, spread=0.3),
    )


def memory_of(tensors: Tensors, mamba: Mamba, batch: int) -> Memory:
    taps = tensors.normal(batch, mamba.convolution - 1, widths(mamba)[1])
    return Memory(taps=taps, state=state_of(tensors, mamba, batch))


def state_of(tensors: Tensors, mamba: Mamba, batch: int) -> Tensor:
    return tensors.normal(batch, mamba.heads, mamba.head_dim, mamba.state, dtype=torch.float32)
