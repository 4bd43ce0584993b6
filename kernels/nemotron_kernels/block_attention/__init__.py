"""What do queries attend to, over keys and values in pages, under the masks of the decode modes?

    out = softmax(query_scale * scale * q . k^T over the keys that q sees) . v      zeros where it sees none

Query heads share key heads in groups: head h reads key head h // (heads / kv_heads). `query_scale` [queries]
is the factor that grows with the position in some models; here it costs a read of one number a query, and a
launch over all heads by itself. Layouts (`layout`):

    causal         prefill, decode, verification: a token sees all up to itself
    both ways      a block sees the cached prefix and all of itself
    looking ahead  verification and the next draft in one: behind each drafted token a group of masks
"""

from torch import Tensor

from nemotron_kernels._choice import runs_triton
from nemotron_kernels.block_attention import reference
from nemotron_kernels.block_attention.layout import (
    Layout,
    PagedCache,
    both_ways,
    causal,
    lay_out,
    looking_ahead,
)

__all__ = ["Layout", "PagedCache", "block_attention", "both_ways", "causal", "lay_out", "looking_ahead"]


def block_attention(
    queries: Tensor, cache: PagedCache, layout: Layout, scale: float, query_scale: Tensor | None = None
) -> Tensor:
    """Queries [queries, heads, head_dim] to what they attend to, of the same shape and type."""
    if runs_triton(queries):
        from nemotron_kernels.block_attention import kernel

        return kernel.block_attention(queries, cache, layout, scale, query_scale)
    return reference.block_attention(queries, cache, layout, scale, query_scale)
