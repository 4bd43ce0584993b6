"""What is the chunked scan of the state space, in plain torch?"""

import torch
import torch.nn.functional as F
from torch import Tensor, unflatten

from nemotron_kernels.ragged import Ragged, remembered
from nemotron_kernels.state_space import HeadParameters, Selection


def chunk_scan(
    selection: Selection, heads: HeadParameters, state: Tensor, chunk_size: int
) -> tuple[Tensor, Tensor]:
    """Return the outputs [batch, length, H, P] and the state after the last token."""
    outputs: list[Tensor] = []
    for start in range(0, selection.x.shape[1], chunk_size):
        chunk = _rows(selection, slice(start, start + chunk_size))
        output, state = _scan_chunk(chunk, heads, state)
        outputs.append(output)
    return torch.cat(outputs, dim=1), state


def chunk_scan_ragged(
    selection: Selection, heads: HeadParameters, pool: Tensor, ragged: Ragged, chunk_size: int
) -> Tensor:
    """Scan every sequence from its state in `pool`, and bring that up to date."""
    y = torch.empty_like(selection.x)
    for sequence, (tokens, slot) in enumerate(ragged.sequences()):
        if tokens.start == tokens.stop:
            continue
        one = selection.at(tokens).alone()
        output, state = chunk_scan(one, heads, remembered(pool, slot)[None].float(), chunk_size)
        is_kept = ragged.heads_of(sequence, y.shape[1], selection.heads_per_group)
        y[tokens] = output[0] * is_kept[:, None]
        if slot >= 0:
            pool[slot, is_kept] = state[0, is_kept].to(pool.dtype)
    return y


def _rows(selection: Selection, rows: slice) -> Selection:
    return Selection(
        x=selection.x[:, rows], dt=selection.dt[:, rows], b=selection.b[:, rows], c=selection.c[:, rows]
    )


def _scan_chunk(selection: Selection, heads: HeadParameters, state: Tensor) -> tuple[Tensor, Tensor]:
    """Scan one chunk of L tokens; G groups of R heads."""
    groups = (selection.b.shape[-2], selection.heads_per_group)
    x = selection.x.float().transpose(1, 2)  # [batch, H, L, P]
    b = selection.b.float().transpose(1, 2)  # [batch, G, L, N]
    c = selection.c.float().transpose(1, 2)
    dt = F.softplus(selection.dt.float() + heads.dt_bias).transpose(1, 2)  # [batch, H, L]
    # Differences of long sums lose digits in float32, and these few numbers cost nothing in float64.
    elapsed = torch.cumsum((dt * heads.a[:, None]).double(), dim=-1)
    written = unflatten(dt[..., None] * x, 1, groups)  # [batch, G, R, L, P]

    scores = (c @ b.mT)[:, :, None] * unflatten(_decay_between(elapsed), 1, groups)
    since_start = unflatten(torch.exp(elapsed).float(), 1, groups)[..., None]  # [batch, G, R, L, 1]
    carried = c[:, :, None] @ unflatten(state, 1, groups).mT * since_start
    y = (scores @ written + carried).flatten(1, 2) + heads.d[:, None, None] * x

    until_end = unflatten(torch.exp(elapsed[..., -1:] - elapsed).float(), 1, groups)[..., None]
    added = (written * until_end).mT @ b[:, :, None]  # [batch, G, R, P, N]
    state = state * torch.exp(elapsed[..., -1:, None]).float() + added.flatten(1, 2)
    return y.transpose(1, 2).to(selection.x.dtype), state


def _decay_between(elapsed: Tensor) -> Tensor:
    """The decay from token s to token t [batch, H, t, s]; nothing flows backwards."""
    length = elapsed.shape[-1]
    difference = (elapsed[..., :, None] - elapsed[..., None, :]).float()
    later = torch.ones(length, length, dtype=torch.bool, device=elapsed.device).triu(1)
    return torch.exp(difference.masked_fill(later, -torch.inf))
