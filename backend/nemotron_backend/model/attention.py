"""How does each sequence of a ragged batch attend to its own past?

A single new token sees all of its cache, so the queries that share a key head stand in as rows of one
unmasked product. Several new tokens need a causal mask, made once for all layers, unless they are to see
each other, or a mask of groups. A sequence's result depends on nothing else in the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from nemotron_backend.model.cache import KeyValueCache, blocks
from nemotron_backend.model.network import LayerCache, Segment
from nemotron_backend.model.row_invariant import attend, causal_bias


class Heads(Protocol):
    """What attention reads of a config; `group` query heads share one key and value head."""

    @property
    def num_heads(self) -> int: ...

    @property
    def num_kv_heads(self) -> int: ...

    @property
    def head_dim(self) -> int: ...

    @property
    def group(self) -> int: ...


@dataclass(frozen=True, slots=True)
class _Planned:
    caches: tuple[KeyValueCache, ...]
    is_causal: bool
    mask: Tensor | None
    num_held: int


class Attention:
    """The attention of one forward, for any of its layers.

    Where it `is_row_invariant`, a token's result does not depend on how many others came with it.
    """

    def __init__(self, segments: Sequence[Segment], config: Heads, *, is_row_invariant: bool = False) -> None:
        self._is_row_invariant = is_row_invariant
        self._config = config
        self._planned = tuple(self._plan(segment) for segment in segments)
        self._lengths = [segment.length for segment in segments]
        self._grouped = (-1, config.num_kv_heads, config.group, config.head_dim)

    def run(self, layer: int, heads: Tensor) -> Tensor:
        """Queries, then keys, then values [tokens, heads, head_dim] to rows [tokens, heads * head_dim]."""
        rows = [
            self._attend(planned, planned.caches[layer], part)
            for planned, part in zip(self._planned, torch.split(heads, self._lengths), strict=True)
        ]
        return rows[0] if len(rows) == 1 else torch.cat(rows)

    def _attend(self, planned: _Planned, cache: KeyValueCache, heads: Tensor) -> Tensor:
        queries, new = heads.tensor_split((self._config.num_heads,), dim=1)
        new = new.transpose(0, 1)
        keys, values = cache.extend(new) if planned.is_causal else _look(planned, cache, new)
        if planned.is_causal and self._is_row_invariant:
            keys, values = cache.padded()
            assert planned.mask is not None
            return attend(queries.reshape(self._grouped), keys[0], values[0], planned.mask)
        if len(heads) == 1:
            return scaled_dot_product_attention(queries.view(self._grouped), keys, values).view(1, -1)
        is_square = planned.is_causal and planned.mask is None
        attended = scaled_dot_product_attention(
            queries.transpose(0, 1)[None], keys, values, planned.mask, is_causal=is_square, enable_gqa=True
        )
        return attended[0].transpose(0, 1).flatten(1)

    def _plan(self, segment: Segment) -> _Planned:
        # A causal segment before this one may extend the same cache, so others are checked when it is read.
        at = segment.position if segment.is_causal else None
        caches = tuple(checked_cache(cache, at) for cache in segment.cache)
        mask = self._mask(segment) if segment.is_causal else _group_mask(segment)
        return _Planned(caches, segment.is_causal, mask, segment.position + segment.num_groups - 1)

    def _mask(self, segment: Segment) -> Tensor | None:
        """Which keys each new token sees; None where one sees all, or the kernel's own mask fits."""
        if self._is_row_invariant:
            num_keys = blocks(segment.position + segment.length)
            return causal_bias(segment.position, segment.length, self._config.group, num_keys)
        if segment.length == 1 or segment.position == 0:
            return None
        seen = torch.ones(segment.length, segment.position + segment.length, dtype=torch.bool)
        return seen.tril(diagonal=segment.position)


def _look(planned: _Planned, cache: KeyValueCache, new: Tensor) -> tuple[Tensor, Tensor]:
    """All keys and all values, with new ones that are not kept."""
    checked_cache(cache, planned.num_held)
    return cache.peek(new) if planned.mask is None else cache.beside(new)


def _group_mask(segment: Segment) -> Tensor | None:
    """Which keys each token of several groups sees; None where all tokens see all keys."""
    if segment.num_groups == 1:
        return None
    group = torch.arange(segment.num_groups).repeat_interleave(segment.length // segment.num_groups)
    held = torch.arange(segment.position + segment.num_groups - 1)
    sees_held = held < segment.position + group[:, None]
    return torch.cat((sees_held, group[:, None] == group), dim=1)


def checked_cache(cache: LayerCache, position: int | None) -> KeyValueCache:
    """The cache, which holds so many tokens where that is given. Raises TypeError, ValueError."""
    if not isinstance(cache, KeyValueCache):
        raise TypeError(f"a Llama-type network keeps keys and values, not a {type(cache).__name__}")
    if position is not None and cache.length != position:
        raise ValueError(f"the cache holds {cache.length} tokens, the segment starts at {position}")
    return cache
