"""Does the attention kernel give what the reference does, and read nothing that nobody sees?"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from nemotron_kernels.block_attention import (
    Layout,
    PagedCache,
    both_ways,
    causal,
    kernel,
    lay_out,
    looking_ahead,
    reference,
)

Close = Callable[[Tensor, Tensor, str], None]
Poisoned = Callable[..., Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    heads: int
    kv_heads: int
    head_dim: int
    page: int


NANO = Shape(heads=16, kv_heads=1, head_dim=16, page=16)
UNEVEN = Shape(heads=6, kv_heads=2, head_dim=24, page=5)


def paged(
    shape: Shape, sights: list[Tensor], poisoned: Poisoned, dtype: torch.dtype
) -> tuple[PagedCache, Tensor]:
    """Keys and values where somebody sees them, in shuffled pages; NaN everywhere else."""
    lengths = [int(sight.max()) if len(sight) else 0 for sight in sights]
    num_pages = [-(-length // shape.page) for length in lengths]
    order = iter((torch.randperm(sum(num_pages)) + 1).tolist())
    pages = torch.zeros(len(sights), max(num_pages), dtype=torch.int32)
    store = poisoned((2, sum(num_pages) + 1, shape.page, shape.kv_heads, shape.head_dim), dtype)
    for sequence, length in enumerate(lengths):
        for index in range(num_pages[sequence]):
            pages[sequence, index] = next(order)
            used = min(shape.page, length - index * shape.page)
            new = torch.randn(2, used, shape.kv_heads, shape.head_dim)
            store[:, pages[sequence, index], :used] = new.to(dtype)
    return PagedCache(keys=store[0], values=store[1]), pages


def queries_of(shape: Shape, layout: Layout, dtype: torch.dtype) -> Tensor:
    """A slice of what a fused projection gives, so that rows are further apart than they are long."""
    rows = torch.randn(int(layout.starts[-1]), shape.heads + 2 * shape.kv_heads, shape.head_dim)
    return rows.to(dtype)[:, : shape.heads]


def check(
    shape: Shape,
    sights: list[Tensor],
    poisoned: Poisoned,
    close: Close,
    *,
    dtype: torch.dtype = torch.float32,
    num_splits: int = 1,
) -> None:
    torch.manual_seed(0)
    cache, pages = paged(shape, sights, poisoned, dtype)
    layout = lay_out(sights, pages)
    queries = queries_of(shape, layout, dtype)
    out = poisoned(queries.shape, dtype)
    kernel.block_attention(queries, cache, layout, 0.3, num_splits=num_splits, out=out)
    close(out, reference.block_attention(queries.double(), cache, layout, 0.3), "block_attention")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_one_token_of_every_sequence(dtype: torch.dtype, poisoned: Poisoned, close: Close) -> None:
    check(NANO, [causal(held, 1) for held in (0, 63, 130)], poisoned, close, dtype=dtype)


@pytest.mark.parametrize("num_splits", [1, 3])
def test_all_modes_in_one_batch_with_an_empty_sequence(
    num_splits: int, poisoned: Poisoned, close: Close
) -> None:
    """Groups of three query heads, channels and pages that are no powers of two."""
    sights = [causal(0, 23), both_ways(70, 5), causal(0, 0), looking_ahead(60, 3, 3, 2)]
    check(UNEVEN, sights, poisoned, close, num_splits=num_splits)


def test_stretches_before_and_behind_what_others_see_count_once(poisoned: Poisoned, close: Close) -> None:
    sight = torch.tensor([[3, 60, 70], [65, 2, 9], [0, 0, 0], [40, 90, 131], [0, 5, 6]], dtype=torch.int32)
    whole = torch.tensor([[131, 0, 0]], dtype=torch.int32)
    check(NANO, [torch.cat((sight, whole))], poisoned, close, num_splits=2)


def test_a_query_that_sees_nothing_gets_zeros_from_any_number_of_splits(
    poisoned: Poisoned, close: Close
) -> None:
    nothing = torch.zeros(1, 3, dtype=torch.int32)
    for num_splits in (1, 2):
        check(NANO, [nothing, causal(2, 1)], poisoned, close, num_splits=num_splits)


@pytest.mark.parametrize("form", [torch.float8_e4m3fn, torch.uint8], ids=str)
def test_codes_of_8_bits_and_scales_of_queries(form: torch.dtype, poisoned: Poisoned, close: Close) -> None:
    torch.manual_seed(0)
    sights = [both_ways(66, 4)]
    cache, pages = paged(NANO, sights, poisoned, torch.float32)
    codes = ((part / 0.02).to(torch.float8_e4m3fn).view(form) for part in (cache.keys, cache.values))
    keys, values = codes
    coded = replace(cache, keys=keys, values=values, key_scale=0.02, value_scale=0.03)
    layout, factor = lay_out(sights, pages), torch.tensor([1.0, 1.5, 0.5, 2.0])
    queries = queries_of(NANO, layout, torch.float32)
    out = poisoned(queries.shape)
    kernel.block_attention(queries, coded, layout, 0.3, factor, num_splits=2, out=out)
    close(out, reference.block_attention(queries.double(), coded, layout, 0.3, factor), "block_attention")


def test_no_queries_are_no_launch(poisoned: Poisoned) -> None:
    cache, pages = paged(NANO, [causal(3, 1)], poisoned, torch.float32)
    empty = lay_out([causal(3, 0)], pages)
    found = kernel.block_attention(torch.empty(0, 16, 16), cache, empty, 1.0)
    assert found.shape == (0, 16, 16)
