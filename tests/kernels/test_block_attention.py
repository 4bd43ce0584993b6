"""Does every decode mode's query attend to the keys that the mode lets it see?"""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from nemotron_kernels.block_attention import (
    PagedCache,
    block_attention,
    both_ways,
    causal,
    lay_out,
    looking_ahead,
)

HEADS, KV_HEADS, DIM, PAGE = 6, 2, 8, 4
SCALE = DIM**-0.5


def paged(keys: Tensor, values: Tensor, num_free: int = 3) -> tuple[PagedCache, Tensor]:
    """Keys and values [places, kv_heads, head_dim] of one sequence in shuffled pages among free ones."""
    num_pages = -(-len(keys) // PAGE)
    pages = torch.randperm(num_pages + num_free)[:num_pages]
    stores = torch.full((2, num_pages + num_free, PAGE, KV_HEADS, DIM), torch.nan)
    for store, part in zip(stores, (keys, values), strict=True):
        for place, row in enumerate(part):
            store[pages[place // PAGE], place % PAGE] = row
    return PagedCache(keys=stores[0], values=stores[1]), pages.to(torch.int32)[None]


def case(num_keys: int, num_queries: int) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(num_keys)
    return (
        torch.randn(num_queries, HEADS, DIM),
        torch.randn(num_keys, KV_HEADS, DIM),
        torch.randn(num_keys, KV_HEADS, DIM),
    )


def expected(queries: Tensor, keys: Tensor, values: Tensor, is_seen: Tensor) -> Tensor:
    q, k, v = (part.double().transpose(0, 1)[None] for part in (queries, keys, values))
    return scaled_dot_product_attention(q, k, v, is_seen, enable_gqa=True)[0].transpose(0, 1)


def check(sight: Tensor, is_seen: Tensor) -> None:
    queries, keys, values = case(is_seen.shape[1], len(is_seen))
    cache, pages = paged(keys, values)
    found = block_attention(queries, cache, lay_out([sight], pages), SCALE)
    torch.testing.assert_close(found.double(), expected(queries, keys, values, is_seen), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("num_held", "num_new"), [(0, 1), (0, 9), (7, 1), (6, 5)])
def test_a_causal_token_sees_all_up_to_itself(num_held: int, num_new: int) -> None:
    is_seen = torch.ones(num_new, num_held + num_new, dtype=torch.bool).tril(num_held)
    check(causal(num_held, num_new), is_seen)


@pytest.mark.parametrize(("num_held", "num_new"), [(0, 4), (9, 7)])
def test_a_block_sees_the_prefix_and_all_of_itself(num_held: int, num_new: int) -> None:
    check(both_ways(num_held, num_new), torch.ones(num_new, num_held + num_new, dtype=torch.bool))


@pytest.mark.parametrize(("num_held", "num_known", "num_groups", "size"), [(5, 3, 3, 4), (0, 6, 2, 1)])
def test_groups_of_masks_look_ahead_from_the_token_before_them(
    num_held: int, num_known: int, num_groups: int, size: int
) -> None:
    """The mask as one would draw it: a known token sees none of the masks, a group only its own."""
    num_masks = num_groups * size
    is_seen = torch.zeros(num_known + num_masks, num_held + num_known + num_masks, dtype=torch.bool)
    is_seen[:, :num_held] = True
    for token in range(num_known):
        is_seen[token, num_held : num_held + token + 1] = True
    for group in range(num_groups):
        rows = slice(num_known + group * size, num_known + (group + 1) * size)
        last = num_known - num_groups + group
        is_seen[rows, num_held : num_held + last + 1] = True
        is_seen[rows, num_held + rows.start : num_held + rows.stop] = True
    check(looking_ahead(num_held, num_known, num_groups, size), is_seen)


def test_what_known_tokens_get_is_the_same_with_masks_behind_them() -> None:
    queries, keys, values = case(20, 3 + 12)
    cache, pages = paged(keys, values)
    ahead = block_attention(queries, cache, lay_out([looking_ahead(5, 3, 3, 4)], pages), SCALE)
    plain = block_attention(queries[:3], cache, lay_out([causal(5, 3)], pages), SCALE)
    torch.testing.assert_close(ahead[:3], plain)


def test_a_query_that_sees_nothing_gets_zeros() -> None:
    queries, keys, values = case(4, 2)
    cache, pages = paged(keys, values)
    sight = torch.tensor([[0, 0, 0], [4, 0, 0]], dtype=torch.int32)
    found = block_attention(queries, cache, lay_out([sight], pages), SCALE)
    assert bool((found[0] == 0).all())
    assert bool((found[1] != 0).any())


def test_sequences_of_all_modes_share_a_batch_and_change_nothing_for_each_other() -> None:
    sights = [causal(0, 5), both_ways(6, 4), causal(3, 0), looking_ahead(2, 2, 2, 3), causal(9, 1)]
    queries, keys, values = case(12, sum(map(len, sights)))
    cache, one = paged(keys, values)
    together = block_attention(queries, cache, lay_out(sights, one.expand(len(sights), -1)), SCALE)
    alone = [
        block_attention(rows, cache, lay_out([sight], one), SCALE)
        for rows, sight in zip(torch.split(queries, [len(sight) for sight in sights]), sights, strict=True)
    ]
    torch.testing.assert_close(together, torch.cat(alone))


def test_codes_of_8_bits_stand_for_themselves_times_their_scale() -> None:
    queries, keys, values = case(9, 4)
    cache, pages = paged(keys, values)
    keys, values = (
        (part.nan_to_num(0.0) / scale).to(torch.float8_e4m3fn)
        for part, scale in ((cache.keys, 0.02), (cache.values, 0.03))
    )
    layout = lay_out([both_ways(5, 4)], pages)
    wide = PagedCache(keys=0.02 * keys.float(), values=0.03 * values.float())
    plain = block_attention(queries, wide, layout, SCALE)
    for form in (torch.float8_e4m3fn, torch.uint8):
        coded = PagedCache(keys=keys.view(form), values=values.view(form), key_scale=0.02, value_scale=0.03)
        torch.testing.assert_close(block_attention(queries, coded, layout, SCALE), plain)


def test_a_scale_of_queries_is_that_of_scaled_queries() -> None:
    queries, keys, values = case(9, 4)
    cache, pages = paged(keys, values)
    layout, factor = lay_out([causal(5, 4)], pages), torch.tensor([1.0, 1.1, 0.5, 2.0])
    found = block_attention(queries, cache, layout, SCALE, factor)
    torch.testing.assert_close(found, block_attention(factor[:, None, None] * queries, cache, layout, SCALE))


def test_the_result_has_the_type_of_the_queries() -> None:
    queries, keys, values = case(9, 4)
    cache, pages = paged(keys, values)
    layout = lay_out([causal(5, 4)], pages)
    found = block_attention(queries.bfloat16(), cache, layout, SCALE)
    wide = block_attention(queries.bfloat16().double(), cache, layout, SCALE)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), wide, rtol=4e-3, atol=1e-3)
