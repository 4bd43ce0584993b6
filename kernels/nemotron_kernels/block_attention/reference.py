"""What does attention over a paged cache compute, in plain torch?"""

from itertools import pairwise

import torch
from torch import Tensor

from nemotron_kernels.block_attention.layout import Layout, PagedCache


def block_attention(
    queries: Tensor, cache: PagedCache, layout: Layout, scale: float, query_scale: Tensor | None = None
) -> Tensor:
    """Queries [queries, heads, head_dim] to what they attend to, of the same shape and type."""
    scaled = queries.to(torch.promote_types(queries.dtype, torch.float32)) * scale
    if query_scale is not None:
        scaled = scaled * query_scale[:, None, None]
    out = torch.empty_like(queries)
    bounds = layout.starts.tolist()
    for sequence, (start, stop) in enumerate(pairwise(bounds)):
        sight, rows = layout.sight[start:stop].int(), scaled[start:stop]
        if stop > start:
            keys, values = _read(cache, layout.pages[sequence], int(sight.max()))
            out[start:stop] = _attend(rows, keys.to(rows.dtype), values.to(rows.dtype), sight).to(out.dtype)
    return out


def _read(cache: PagedCache, pages: Tensor, num_keys: int) -> tuple[Tensor, Tensor]:
    """Keys and values [keys, kv_heads, head_dim] of the first places of a sequence."""
    page = cache.keys.shape[1]
    used = pages[: -(-num_keys // page)].long()
    keys, values = (_numbers(part[used].flatten(0, 1)[:num_keys]) for part in (cache.keys, cache.values))
    return keys * cache.key_scale, values * cache.value_scale


def _numbers(stored: Tensor) -> Tensor:
    return (
        stored.view(torch.float8_e4m3fn).float() if stored.dtype == torch.uint8 else stored.to(_wide(stored))
    )


def _wide(stored: Tensor) -> torch.dtype:
    return torch.float64 if stored.dtype == torch.float64 else torch.float32


def _attend(queries: Tensor, keys: Tensor, values: Tensor, sight: Tensor) -> Tensor:
    place = torch.arange(len(keys), device=keys.device)
    before, begin, end = (column[:, None] for column in sight.unbind(1))
    is_seen = (place < before) | ((begin <= place) & (place < end))
    grouped = torch.unflatten(queries, 1, (keys.shape[1], -1))
    scores = torch.einsum("qhgd,khd->hgqk", grouped, keys).masked_fill(~is_seen, -torch.inf)
    # A query that sees nothing gets zeros.
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return torch.einsum("hgqk,khd->qhgd", weights, values).flatten(1, 2)
