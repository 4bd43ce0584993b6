"""How does one token change a head's state?

dt = softplus(dt + dt_bias);  S = exp(dt * a) * S + dt * x (outer) b;  y = S . c + d * x.
`selection` holds [batch, ...] and `state` is float32 [batch, H, P, N]. dt is not clamped. The state that
comes back is a new tensor, so whoever holds the old one holds a snapshot.
"""

from nemotron_kernels.state_update.reference import state_update

__all__ = ["state_update"]
