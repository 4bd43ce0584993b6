"""Which tensors does a selective state space read?

Symbols as in Mamba 2: H heads of P channels, each with a state of P x N, and G groups of heads that
share `b` and `c`. A leading `*` is [batch, length] for a scan, [batch] for a single step and [tokens] for
a ragged batch.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadParameters:
    """What each head has learnt: decay rate `a` (negative), skip `d` and step bias, all float32 [H]."""

    a: Tensor
    d: Tensor
    dt_bias: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the tokens select: `x` [*, H, P], raw step sizes `dt` [*, H], `b` and `c` [*, G, N]."""

    x: Tensor
    dt: Tensor
    b: Tensor
    c: Tensor

    @property
    def heads_per_group(self) -> int:
        """How many heads share one row of `b` and `c`."""
        return self.x.shape[-2] // self.b.shape[-2]

    def at(self, tokens: int | slice) -> "Selection":
        """What those tokens of a ragged batch select."""
        return Selection(x=self.x[tokens], dt=self.dt[tokens], b=self.b[tokens], c=self.c[tokens])

    def alone(self) -> "Selection":
        """The tokens of a ragged batch as one sequence of a batch."""
        return Selection(x=self.x[None], dt=self.dt[None], b=self.b[None], c=self.c[None])

    def packed(self) -> "Selection":
        """The tokens of a batch [batch, length] end to end."""
        x, dt, b, c = (part.flatten(0, 1) for part in (self.x, self.dt, self.b, self.c))
        return Selection(x=x, dt=dt, b=b, c=c)
