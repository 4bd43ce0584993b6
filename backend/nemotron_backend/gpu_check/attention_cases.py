"""How are attention and the norm before a layer checked?"""

import torch
from torch import Tensor
from torch.nn import functional as F

from nemotron_backend.catalog.dimensions import Attention
from nemotron_backend.floors import Call, Load
from nemotron_backend.floors.dense import attention_calls
from nemotron_backend.gpu_check.case import Case, Trial, each
from nemotron_backend.gpu_check.tensors import Tensors
from nemotron_kernels.block_attention import PagedCache, block_attention, both_ways, causal, lay_out
from nemotron_kernels.rms_norm import add_rms_norm

PAGE = 64
_EPSILON = 1e-5


def attention_case(attention: Attention, load: Load) -> Case:
    """One new token for each sequence, or a block that sees itself both ways."""
    floor = next(call for call in attention_calls(attention, 0, load) if call.op == "block_attention")
    return Case(
        title=f"{floor.name}, batch {load.batch}",
        precision="fp8" if load.cache == 1 else "bf16",
        floor=floor,
        trials=each(lambda tensors: _attention(tensors, attention, load)),
    )


def norm_case(hidden: int, rows: int) -> Case:
    floor = Call(
        op="rms_norm", name=f"{hidden} channels", weights=2 * hidden, activations=4 * rows * hidden * 2
    )
    return Case(
        title=f"sum and norm of {hidden} channels, {rows} rows",
        precision="bf16",
        floor=floor,
        trials=each(lambda tensors: _norm(tensors, hidden, rows)),
    )


def cache_of(tensors: Tensors, attention: Attention, load: Load) -> tuple[PagedCache, Tensor]:
    """Pages of all sequences, and which of them are whose, int32 [batch, pages]."""
    pages = -(-(load.context + load.tokens) // PAGE)
    shape = (load.batch * pages, PAGE, attention.key_value_heads, attention.head_dim)
    dtype = torch.float8_e4m3fn if load.cache == 1 else torch.bfloat16
    cache = PagedCache(keys=tensors.normal(*shape, dtype=dtype), values=tensors.normal(*shape, dtype=dtype))
    numbers = torch.randperm(load.batch * pages, generator=tensors.generator, device=tensors.device)
    return cache, numbers.int().view(load.batch, pages)


def _attention(tensors: Tensors, attention: Attention, load: Load) -> Trial:
    cache, pages = cache_of(tensors, attention, load)
    sight = (both_ways if load.tokens > 1 else causal)(load.context, load.tokens)
    layout = lay_out([sight] * load.batch, pages)
    queries = tensors.normal(load.rows, attention.query_heads, attention.head_dim)
    scale = attention.head_dim**-0.5
    plain = _plain(tensors, attention, load)
    return Trial(
        run=lambda: block_attention(queries, cache, layout, scale),
        peers={"torch, not paged": lambda: F.scaled_dot_product_attention(*plain, enable_gqa=True)},
    )


def _plain(tensors: Tensors, attention: Attention, load: Load) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of the same lengths, each sequence's in one piece."""
    heads, kept = attention.query_heads, attention.key_value_heads
    seen = load.context + load.tokens
    queries = tensors.normal(load.batch, heads, load.tokens, attention.head_dim)
    keys, values = (tensors.normal(load.batch, kept, seen, attention.head_dim) for _ in range(2))
    return queries, keys, values


def _norm(tensors: Tensors, hidden: int, rows: int) -> Trial:
    x, residual, weight = tensors.normal(rows, hidden), tensors.normal(rows, hidden), tensors.normal(hidden)
    return Trial(
        run=lambda: add_rms_norm(x, residual, weight, _EPSILON),
        peers={"torch, two launches": lambda: F.rms_norm(x + residual, (hidden,), weight, _EPSILON)},
    )
