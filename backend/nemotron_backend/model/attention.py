"""How does each sequence of a ragged batch attend to its own past?

A single new token sees all of its cache, so the queries that share a key head stand in as rows of one
unmasked product. Several new tokens need a causal mask, made once for all layers. A sequence's result
depends on nothing else in the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from nemotron_backend.model.cache import KeyValueCache
from nemotron_backend.model.network import LayerCache, Segment


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
    mask: Tensor | None


class Attention:
    """The attention of one forward, for any of its layers."""

    def __init__(self, segments: Sequence[Segment], config: Heads) -> None:
        self._planned = tuple(_plan(segment) for segment in segments)
        self._lengths = [segment.length for segment in segments]
        self._config = config
        self._grouped = (1, config.num_kv_heads, config.group, config.head_dim)

    def run(self, layer: int, heads: Tensor) -> Tensor:
        """Queries, then keys, then values [tokens, heads, head_dim] to rows [tokens, heads * head_dim]."""
        rows = [
            self._attend(planned.caches[layer], planned.mask, part)
            for planned, part in zip(self._planned, torch.split(heads, self._lengths), strict=True)
        ]
        return rows[0] if len(rows) == 1 else torch.cat(rows)

    def _attend(self, cache: KeyValueCache, mask: Tensor | None, heads: Tensor) -> Tensor:
        num_heads = self._config.num_heads
        queries, new = heads.transpose(0, 1).tensor_split((num_heads,))
        keys, values = cache.extend(new)
        if heads.shape[0] == 1:
            return scaled_dot_product_attention(queries.view(self._grouped), keys, values).view(1, -1)
        attended = scaled_dot_product_attention(
            queries[None], keys, values, attn_mask=mask, is_causal=mask is None, enable_gqa=True
        )
        return attended[0].transpose(0, 1).flatten(1)


def _plan(segment: Segment) -> _Planned:
    caches = tuple(_checked(cache, segment.position) for cache in segment.cache)
    return _Planned(caches, _mask(segment))


def _checked(cache: LayerCache, position: int) -> KeyValueCache:
    if not isinstance(cache, KeyValueCache):
        raise TypeError(f"a Llama-type network keeps keys and values, not a {type(cache).__name__}")
    if cache.length != position:
        raise ValueError(f"the cache holds {cache.length} tokens, the segment starts at {position}")
    return cache


def _mask(segment: Segment) -> Tensor | None:
    """Which keys each new token sees; None where one sees all, or the kernel's own mask fits."""
    if segment.length == 1 or segment.position == 0:
        return None
    seen = torch.ones(segment.length, segment.position + segment.length, dtype=torch.bool)
    return seen.tril(diagonal=segment.position)
