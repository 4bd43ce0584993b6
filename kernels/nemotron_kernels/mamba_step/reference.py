"""What is a decoding step of a Mamba 2 layer, in terms of its three ops?"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nemotron_kernels.causal_conv1d import Filter, causal_conv1d_ragged
from nemotron_kernels.gated_group_norm import gated_group_norm
from nemotron_kernels.ragged import Ragged, equal_lengths
from nemotron_kernels.state_space import HeadParameters, Selection
from nemotron_kernels.state_update import state_update_ragged


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixer:
    """What the layer has learnt between its projections; `norm` [H * P] is the gated norm's weight."""

    taps_filter: Filter
    heads: HeadParameters
    norm: Tensor
    epsilon: float
    num_groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The pools of all sequences: `taps` [slots, K - 1, channels], `state` [slots, H, P, N]."""

    taps: Tensor
    state: Tensor


def mamba_step(
    projected: Tensor, mixer: Mixer, memory: Memory, slots: Tensor, kept_heads: Tensor | None = None
) -> Tensor:
    """One step of every sequence."""
    _, num_heads, num_channels, state_size = memory.state.shape
    inner, channels = num_heads * num_channels, memory.taps.shape[2]
    gate, mixed, dt = projected.split_with_sizes([inner, channels, num_heads], dim=-1)
    starts = equal_lengths(len(slots), 1, slots.device).starts
    ragged = Ragged(starts=starts, slots=slots, longest=1, kept_heads=kept_heads)
    convolved = causal_conv1d_ragged(mixed, memory.taps, ragged, mixer.taps_filter)
    half = mixer.num_groups * state_size
    x, b, c = convolved.split_with_sizes([inner, half, half], dim=-1)
    selection = Selection(
        x=torch.unflatten(x, -1, (num_heads, num_channels)),
        dt=dt,
        b=torch.unflatten(b, -1, (mixer.num_groups, state_size)),
        c=torch.unflatten(c, -1, (mixer.num_groups, state_size)),
    )
    y = state_update_ragged(selection, mixer.heads, memory.state, ragged).flatten(1)
    kept = None if kept_heads is None else kept_heads * num_channels
    return gated_group_norm(y, gate, mixer.norm, mixer.num_groups, mixer.epsilon, kept)
