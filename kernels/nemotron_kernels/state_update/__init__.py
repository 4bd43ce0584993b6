"""How does one token change a head's state?

dt = softplus(dt + dt_bias);  S = exp(dt * a) * S + dt * x (outer) b;  y = S . c + d * x.
`selection` holds [batch, ...] and `state` is float32 [batch, H, P, N]. dt is not clamped. The state that
comes back is a new tensor, so whoever holds the old one holds a snapshot.

The ragged form takes a packed `selection` [tokens, ...] and holds every sequence's state in a pool
[slots, H, P, N] of any float type, which it brings up to date in place; tokens that may be taken back leave
the pool as it is and say what it would hold after each of them. Heads that a sequence's size lacks give
zeros, and their state is left alone.
"""

from torch import Tensor

from nemotron_kernels._choice import runs_triton
from nemotron_kernels.ragged import Ragged
from nemotron_kernels.state_space import HeadParameters, Selection
from nemotron_kernels.state_update import reference

__all__ = ["state_update", "state_update_ragged"]


def state_update(selection: Selection, heads: HeadParameters, state: Tensor) -> tuple[Tensor, Tensor]:
    """Return the outputs [batch, H, P] and the next state [batch, H, P, N]."""
    if runs_triton(selection.x):
        from nemotron_kernels.state_update import kernel

        return kernel.state_update(selection, heads, state)
    return reference.state_update(selection, heads, state)


def state_update_ragged(
    selection: Selection, heads: HeadParameters, pool: Tensor, ragged: Ragged, after: Tensor | None = None
) -> Tensor:
    """Step every sequence through its tokens from its state in `pool`, and bring that up to date.

    With `after` [tokens, H, P, N] the state behind every token goes there, and the pool stays.
    """
    if runs_triton(selection.x):
        from nemotron_kernels.state_update import kernel

        return kernel.state_update_ragged(selection, heads, pool, ragged, after)
    return reference.state_update_ragged(selection, heads, pool, ragged, after)
