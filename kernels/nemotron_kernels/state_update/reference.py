"""What is one step of the state space, in plain torch?"""

import torch
import torch.nn.functional as F
from torch import Tensor, unflatten

from nemotron_kernels.state_space import HeadParameters, Selection


def state_update(selection: Selection, heads: HeadParameters, state: Tensor) -> tuple[Tensor, Tensor]:
    """Return the outputs [batch, H, P] and the next state [batch, H, P, N]."""
    x = selection.x.float()
    groups = (selection.b.shape[-2], selection.heads_per_group)
    dt = F.softplus(selection.dt.float() + heads.dt_bias)
    decay = unflatten(torch.exp(dt * heads.a), 1, groups)[..., None, None]
    written = unflatten(dt[..., None] * x, 1, groups)[..., None]  # [batch, G, H/G, P, 1]
    b = selection.b.float()[:, :, None, None, :]
    updated = (unflatten(state, 1, groups) * decay).addcmul_(written, b)
    read = updated.flatten(2, 3) @ selection.c.float()[..., None]  # [batch, G, H/G * P, 1]
    y = read.reshape(x.shape) + heads.d[:, None] * x
    return y.to(selection.x.dtype), updated.flatten(1, 2)
