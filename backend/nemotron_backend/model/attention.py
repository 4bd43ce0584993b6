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
from torch.nn import functional as F

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
    start: int
    length: int
    mask: Tensor | None


class Attention:
    """The attention of one forward, for any of its layers."""

    def __init__(self, segments: Sequence[_Planned], config: Heads) -> None:
        self._segments = tuple(segments)
        self._config = config

    def run(self, layer: int, heads: Tensor) -> Tensor:
        """Rows of queries, keys and values [tokens, heads, head_dim] to rows [tokens, hidden]."""
        config = self._config
        result = heads.new_empty(len(heads), config.num_heads * config.head_dim)
        for segment in self._segments:
            rows = slice(segment.start, segment.start + segment.length)
            queries = heads[rows, : config.num_heads]
            cache = segment.caches[layer]
            cache.extend(heads[rows, config.num_heads :])
            if segment.length == 1:
                result[rows] = self._attend_one(queries, cache)
            else:
                result[rows] = self._attend_many(queries, cache, segment.mask)
        return result

    def _attend_one(self, queries: Tensor, cache: KeyValueCache) -> Tensor:
        config = self._config
        keys, values = cache.read()
        grouped = queries.view(config.num_kv_heads, config.group, config.head_dim)
        return F.scaled_dot_product_attention(grouped[None], keys[None], values[None]).view(1, -1)

    def _attend_many(self, queries: Tensor, cache: KeyValueCache, mask: Tensor | None) -> Tensor:
        keys, values = cache.read()
        attended = F.scaled_dot_product_attention(
            queries.transpose(0, 1)[None],
            keys[None],
            values[None],
            attn_mask=mask,
            is_causal=mask is None,
            enable_gqa=True,
        )
        return attended[0].transpose(0, 1).flatten(1)


def plan(segments: Sequence[Segment], config: Heads) -> Attention:
    """Check the segments' caches and make their masks."""
    return Attention([_planned(segment) for segment in segments], config)


def _planned(segment: Segment) -> _Planned:
    caches = tuple(_checked(cache, segment.position) for cache in segment.cache)
    return _Planned(caches, segment.start, segment.length, _mask(segment))


def _checked(cache: LayerCache, position: int) -> KeyValueCache:
    if not isinstance(cache, KeyValueCache):
        raise TypeError(f"a Llama-type network keeps keys and values, not a {type(cache).__name__}")
    if cache.length != position:
        raise ValueError(f"the cache holds {cache.length} tokens, the segment starts at {position}")
    return cache


def _mask(segment: Segment) -> Tensor | None:
    if segment.length == 1 or segment.position == 0:
        return None
    seen = torch.ones(segment.length, segment.position + segment.length, dtype=torch.bool)
    return seen.tril(diagonal=segment.position)
