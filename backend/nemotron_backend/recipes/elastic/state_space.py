"""How does a whole batch pass through a state space at once, with gradients?

The recurrence of `nemotron_kernels.chunk_scan` from an empty state, with all chunks in one product and in
bfloat16 where autocast says so. Chunks are equally long and at most `chunk_size`.
"""

import torch
from torch import Tensor, unflatten
from torch.nn import functional as F

from nemotron_kernels.state_space import HeadParameters, Selection


def scan(selection: Selection, heads: HeadParameters, chunk_size: int) -> Tensor:
    """Outputs [batch, length, heads, width] of `selection` [batch, length, ...]."""
    length = selection.x.shape[1]
    num_chunks = -(-length // chunk_size)
    x, dt, b, c = (
        _chunked(part, num_chunks) for part in (selection.x, selection.dt, selection.b, selection.c)
    )  # [batch, chunk, heads or groups, token, ...]
    dt = F.softplus(dt.float() + heads.dt_bias[:, None])
    elapsed = torch.cumsum(dt * heads.a[:, None], dim=-1)
    written = _by_group(x * dt[..., None].to(x.dtype), b)
    outputs = _within(written, elapsed, b, c)
    if num_chunks > 1:
        outputs = outputs + _between(written, elapsed, b, c)
    outputs = outputs.flatten(2, 3) + heads.d[:, None, None].to(x.dtype) * x
    return outputs.transpose(2, 3).flatten(1, 2)[:, :length]


def _chunked(part: Tensor, num_chunks: int) -> Tensor:
    size = -(-part.shape[1] // num_chunks)
    padding = [0, 0] * (part.ndim - 2) + [0, size * num_chunks - part.shape[1]]
    return unflatten(F.pad(part, padding), 1, (num_chunks, size)).transpose(2, 3)


def _by_group(part: Tensor, b: Tensor) -> Tensor:
    return unflatten(part, 2, (b.shape[2], -1))


def _within(written: Tensor, elapsed: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """What tokens read of earlier ones in their own chunk [batch, chunk, group, head, token, width]."""
    difference = elapsed[..., :, None] - elapsed[..., None, :]
    later = torch.ones(difference.shape[-2:], dtype=torch.bool).triu(1)
    decay = torch.exp(difference.masked_fill(later, -torch.inf)).to(written.dtype)
    return ((c @ b.mT)[:, :, :, None] * _by_group(decay, b)) @ written


def _between(written: Tensor, elapsed: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """What tokens read of the state in which their chunk begins."""
    until_end = torch.exp(elapsed[..., -1:] - elapsed).to(written.dtype)
    added = (written * _by_group(until_end, b)[..., None]).mT @ b[:, :, :, None]
    kept = _by_group(torch.exp(elapsed[..., -1]), b)[..., None, None]
    state = torch.zeros_like(added[:, 0])
    states = [state]
    for chunk in range(added.shape[1] - 1):
        state = state * kept[:, chunk].to(state.dtype) + added[:, chunk]
        states.append(state)
    since_start = _by_group(torch.exp(elapsed), b)[..., None].to(written.dtype)
    return (c[:, :, :, None] @ torch.stack(states, dim=1).mT) * since_start
