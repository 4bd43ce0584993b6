"""Are amounts, tiers and prices what they claim to be?"""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemotron_app.limits import TIERS, Cost, InvalidAmount, price_list, weight_of
from nemotron_app.limits.cost import MOST_TOKENS
from nemotron_app.limits.limiter import StoreLimiter
from nemotron_app.limits.memory import MemoryStore
from nemotron_app.limits.tier import FREE
from nemotron_backend.catalog import Catalog, Size
from nemotron_backend.request import DECODES, PRECISIONS, Decode, Precision, Variant

CATALOG = Catalog.read()
SMOLLM = "smollm2-135m-instruct"


def _variant(precision: Precision = "bf16", decode: Decode = "autoregressive") -> Variant:
    return Variant(model=SMOLLM, size="full", precision=precision, decode=decode)


@pytest.mark.parametrize("tokens", [-1, MOST_TOKENS + 1, 2**63, 2**1000, True, 1.0, "7", None])
def test_an_amount_that_no_honest_caller_sends_is_refused(tokens: int) -> None:
    with pytest.raises(InvalidAmount):
        Cost(prompt_tokens=tokens, max_completion_tokens=1, weight=Fraction(1))
    with pytest.raises(InvalidAmount):
        Cost(prompt_tokens=1, max_completion_tokens=tokens, weight=Fraction(1))


@pytest.mark.parametrize("weight", [Fraction(-1), Fraction(101)])
def test_a_weight_out_of_range_is_refused(weight: Fraction) -> None:
    with pytest.raises(InvalidAmount):
        Cost(prompt_tokens=1, max_completion_tokens=1, weight=weight)


@pytest.mark.parametrize("used", [-1, 2**63, True, 0.5])
async def test_a_use_that_cannot_be_is_refused_and_changes_nothing(used: int) -> None:
    limiter = StoreLimiter(MemoryStore(lease_seconds=30, clock=lambda: 0))
    cost = Cost(prompt_tokens=5, max_completion_tokens=5, weight=Fraction(1))
    lease = await limiter.reserve("user:1", FREE, cost)
    before = await limiter.usage("user:1", FREE)
    with pytest.raises(InvalidAmount):
        await limiter.renew(lease, used)
    with pytest.raises(InvalidAmount):
        await limiter.settle(lease, used)
    assert await limiter.usage("user:1", FREE) == before
    assert lease.is_open


@pytest.mark.parametrize("owner", ["", "a}b", "{a", "a b", "a\n", "a\0", "x" * 201])
async def test_an_owner_that_could_leave_its_keys_is_refused(owner: str) -> None:
    limiter = StoreLimiter(MemoryStore(lease_seconds=30))
    with pytest.raises(ValueError, match="an owner is named by"):
        await limiter.usage(owner, FREE)


@given(st.integers(0, MOST_TOKENS), st.fractions(0, 100, max_denominator=1000))
def test_rounding_makes_nothing_free(tokens: int, weight: Fraction) -> None:
    cost = Cost(prompt_tokens=tokens, max_completion_tokens=0, weight=weight)
    assert tokens * weight <= cost.most < tokens * weight + 1


@pytest.mark.parametrize("value", [0, -1, 10**9 + 1])
def test_a_tier_with_a_limit_out_of_range_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match="burst of tier 'free'"):
        replace(FREE, burst=value)


def test_the_free_tier_has_the_published_forty_a_minute() -> None:
    assert (FREE.requests_per_minute, FREE.burst) == (40, 10)


def test_guests_have_less_of_everything_than_anyone_signed_in() -> None:
    guest, free = TIERS["guest"], TIERS["free"]
    for name in ("requests_per_minute", "burst", "tokens_per_minute", "tokens_per_day", "in_flight"):
        assert getattr(guest, name) < getattr(free, name)
    assert not guest.survives_outage
    assert free.survives_outage


def test_quantised_and_parallel_variants_weigh_less() -> None:
    by_precision = [weight_of(_variant(precision=precision), CATALOG) for precision in PRECISIONS]
    assert by_precision == sorted(by_precision, reverse=True)
    assert len(set(by_precision)) == len(PRECISIONS)
    by_decode = [weight_of(_variant(decode=decode), CATALOG) for decode in DECODES]
    assert max(by_decode) == by_decode[DECODES.index("autoregressive")]
    assert len(set(by_decode)) == len(DECODES)


def test_smaller_sizes_weigh_less_and_a_pair_weighs_the_mean() -> None:
    sizes = tuple(
        Size(name=name, total_parameters=31_600_000_000, active_parameters=active)
        for name, active in (("30b", 3_600_000_000), ("23b", 2_800_000_000), ("12b", 2_000_000_000))
    )
    catalog = Catalog([replace(CATALOG.find(SMOLLM), sizes=sizes)])
    weights = {
        size: weight_of(replace(_variant(), size=size), catalog) for size in ("30b", "23b", "12b", "23b+30b")
    }
    assert weights["30b"] > weights["23b"] > weights["12b"]
    assert weights["30b"] == Fraction(6, 5)
    assert weights["23b+30b"] == pytest.approx((weights["23b"] + weights["30b"]) / 2, abs=0.001)


def test_the_price_list_names_every_variant_that_is_served() -> None:
    variants = [_variant(), _variant(precision="nvfp4")]
    assert price_list(variants, CATALOG) == {
        str(variant): float(weight_of(variant, CATALOG)) for variant in variants
    }
    assert all(weight > 0 for weight in price_list(variants, CATALOG).values())
