"""Does another library's generic cell rate algorithm admit the same requests at the same times?"""

import asyncio
from fractions import Fraction

import pytest
import throttled.utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from throttled import RateLimiterType, Throttled, rate_limiter, store

from nemotron_app.limits import Cost, LimitExceeded, Tier
from nemotron_app.limits.limiter import StoreLimiter
from nemotron_app.limits.memory import MemoryStore

NOTHING = Cost(prompt_tokens=0, max_completion_tokens=0, weight=Fraction(1))
# A minute divides by these into intervals that floats hold exactly, so that both agree at the edge.
RATES = (15, 40, 60, 120, 240)


async def _ours(tier: Tier, times: list[int]) -> list[tuple[bool, float]]:
    now = 0
    limiter = StoreLimiter(MemoryStore(lease_seconds=30, clock=lambda: now))
    answers = []
    for now in times:  # noqa: B007
        try:
            await limiter.settle(await limiter.reserve("user:1", tier, NOTHING), 0)
            answers.append((True, 0.0))
        except LimitExceeded as refusal:
            answers.append((False, refusal.retry_after or 0.0))
    return answers


def _theirs(rate: int, burst: int, times: list[int], patch: pytest.MonkeyPatch) -> list[tuple[bool, float]]:
    now = 0
    patch.setattr(throttled.utils, "now_mono_f", lambda: now / 1000)
    limiter = Throttled(
        using=RateLimiterType.GCRA.value,
        quota=rate_limiter.per_min(rate, burst=burst),
        store=store.MemoryStore(),
    )
    answers = []
    for now in times:  # noqa: B007
        result = limiter.limit("user:1")
        answers.append((not result.limited, max(0.0, result.state.retry_after)))
    return answers


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.sampled_from(RATES),
    burst=st.integers(1, 12),
    gaps=st.lists(st.sampled_from([0, 0, 125, 250, 1000, 1500, 4000, 60_000]), min_size=1, max_size=40),
)
def test_throttled_pys_gcra_admits_the_same(
    rate: int, burst: int, gaps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its memory store forgets keys by the real clock; starting late keeps them younger than a lifetime.
    times = [86_400_000 * 365 + sum(gaps[: place + 1]) for place in range(len(gaps))]
    tier = Tier(
        name="oracle",
        requests_per_minute=rate,
        burst=burst,
        tokens_per_minute=1,
        tokens_per_day=1,
        in_flight=1,
        survives_outage=True,
    )
    with monkeypatch.context() as patch:
        theirs = _theirs(rate, burst, times, patch)
    assert asyncio.run(_ours(tier, times)) == theirs
