"""Which keys does each query of a decode mode see?

Every query sees a beginning of its sequence, and may see one stretch besides. That says all the modes, and
lets a kernel skip what nobody sees: no mask of queries by keys exists anywhere. New keys stand in the cache
behind the old ones, whether or not they are kept afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class PagedCache:
    """`keys` and `values` [pages, page, kv_heads, head_dim] of one layer.

    Bytes or float8_e4m3fn are E4M3 codes, which stand for themselves times the tensor's scale.
    """

    keys: Tensor
    values: Tensor
    key_scale: float = 1.0
    value_scale: float = 1.0

    @property
    def is_coded(self) -> bool:
        return self.keys.dtype in (torch.uint8, torch.float8_e4m3fn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Sequences end to end: s has the queries from `starts[s]` up to `starts[s + 1]`, int32 [batch + 1].

    Place p of sequence s is in page `pages[s, p // page]`, int32 [batch, most pages]. A query sees the places
    before `sight[query, 0]` and those from `sight[query, 1]` up to `sight[query, 2]`, int32 [queries, 3].
    `longest` bounds the lengths without asking the device; `has_stretches` is False where none has any.
    """

    starts: Tensor
    pages: Tensor
    sight: Tensor
    longest: int
    has_stretches: bool


def lay_out(sights: Sequence[Tensor], pages: Tensor) -> Layout:
    """The sequences whose queries see these, on the device of their `pages`."""
    lengths = torch.tensor([0, *(len(sight) for sight in sights)])
    sight = torch.cat(tuple(sights))
    return Layout(
        starts=lengths.cumsum(0).to(pages.device, torch.int32),
        pages=pages,
        sight=sight.to(pages.device),
        longest=int(lengths.max()),
        has_stretches=bool((sight[:, 1] < sight[:, 2]).any()),
    )


def causal(num_held: int, num_new: int) -> Tensor:
    """Each new token sees what is held and the new ones up to itself, int32 [new, 3]."""
    before = torch.arange(num_held + 1, num_held + num_new + 1, dtype=torch.int32)
    return _sight(before, torch.zeros_like(before), 0)


def both_ways(num_held: int, num_new: int) -> Tensor:
    """All new tokens see what is held and each other, int32 [new, 3]."""
    before = torch.full((num_new,), num_held + num_new, dtype=torch.int32)
    return _sight(before, torch.zeros_like(before), 0)


def looking_ahead(num_held: int, num_known: int, num_groups: int, size: int) -> Tensor:
    """Known tokens, causal, and a group of masks behind each of the last of them, int32 [queries, 3].

    A group sees the known tokens up to its own, and itself both ways; known tokens see no masks. So whatever
    part of a draft stands, the forward that verifies it has the next draft as well, and what it leaves in the
    cache up to there is what a causal forward would.
    """
    group = torch.arange(num_groups, dtype=torch.int32).repeat_interleave(size)
    before = num_held + num_known - num_groups + 1 + group
    masks = _sight(before, num_held + num_known + group * size, size)
    return torch.cat((causal(num_held, num_known), masks))


def _sight(before: Tensor, begin: Tensor, length: int) -> Tensor:
    return torch.stack((before, begin, begin + length), dim=1)
