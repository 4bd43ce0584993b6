"""How do sequences of several lengths lie in one batch, and where is what each remembers?"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Ragged:
    """Sequences end to end: s has the tokens from `starts[s]` up to `starts[s + 1]`.

    Its memory is row `slots[s]` of a pool, brought up to date in place. A negative slot is none: the
    sequence begins with zeros and nothing of it is kept. `starts` and `slots` are int32 on the tokens'
    device; `longest` bounds the lengths without asking that device. Where sizes are mixed, `kept_heads`
    int32 [sequences] says how many heads of every group a sequence's size has.
    """

    starts: Tensor
    slots: Tensor
    longest: int
    kept_heads: Tensor | None = None

    def __len__(self) -> int:
        return len(self.slots)

    def sequences(self) -> Iterator[tuple[slice, int]]:
        """The tokens and the slot of every sequence."""
        bounds = self.starts.tolist()
        for start, stop, slot in zip(bounds, bounds[1:], self.slots.tolist(), strict=False):
            yield slice(start, stop), slot

    def heads_of(self, sequence: int, num_heads: int, per_group: int) -> Tensor:
        """Which heads a sequence's size has, bool [heads]: the first ones of every group."""
        place = torch.arange(num_heads, device=self.slots.device) % per_group
        return place < (per_group if self.kept_heads is None else self.kept_heads[sequence])


def equal_lengths(batch: int, length: int, device: torch.device) -> Ragged:
    """Sequences of one length, each its own slot."""
    numbers = torch.arange(batch + 1, dtype=torch.int32, device=device)
    return Ragged(starts=numbers * length, slots=numbers[:-1], longest=length)


def remembered(pool: Tensor, slot: int) -> Tensor:
    """What a sequence remembers: its row of the pool, or zeros."""
    return pool[slot] if slot >= 0 else torch.zeros_like(pool[0])
