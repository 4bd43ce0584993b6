"""What is one step of the state space, in plain torch?"""

import torch
import torch.nn.functional as F
from torch import Tensor

from nemotron_kernels.ragged import Ragged, remembered
from nemotron_kernels.state_space import HeadParameters, Selection


def state_update(selection: Selection, heads: HeadParameters, state: Tensor) -> tuple[Tensor, Tensor]:
    """Return the outputs [batch, H, P] and the next state [batch, H, P, N]."""
    x, b, c = selection.x.float(), selection.b.float(), selection.c.float()
    batch, num_groups, size = b.shape
    dt = F.softplus(selection.dt.float() + heads.dt_bias)
    decayed = state * torch.exp(dt * heads.a)[..., None, None]
    written = (dt[..., None] * x).view(batch, num_groups, -1, 1)
    updated = decayed.view(batch, num_groups, -1, size).addcmul_(written, b[:, :, None])
    # One row times the transposed state: BLAS is several times slower at the state times one column.
    read = torch.bmm(c.flatten(0, 1)[:, None], updated.flatten(0, 1).mT)
    y = torch.addcmul(read.view(x.shape), heads.d[:, None], x)
    return y.to(selection.x.dtype), updated.view(state.shape)


def state_update_ragged(
    selection: Selection, heads: HeadParameters, pool: Tensor, ragged: Ragged, after: Tensor | None = None
) -> Tensor:
    """Step every sequence through its tokens from its state in `pool`, and bring that up to date.

    With `after` [tokens, H, P, N] the state behind every token goes there, and the pool stays.
    """
    y = torch.empty_like(selection.x)
    for sequence, (tokens, slot) in enumerate(ragged.sequences()):
        state = remembered(pool, slot)[None].float()
        is_kept = ragged.heads_of(sequence, y.shape[1], selection.heads_per_group)
        for token in range(tokens.start, tokens.stop):
            own = slice(token, token + 1)
            stepped, state = state_update(selection.at(own), heads, state)
            y[own] = stepped * is_kept[:, None]
            if after is not None:
                after[token, is_kept] = state[0, is_kept].to(after.dtype)
        if after is None and slot >= 0:
            pool[slot, is_kept] = state[0, is_kept].to(pool.dtype)
    return y
