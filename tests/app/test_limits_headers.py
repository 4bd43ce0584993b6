"""Do all three dialects of limit headers say the same, in words that parsers take?"""

from fractions import Fraction
from typing import Any

import http_sf
import pytest

from nemotron_app.limits import (
    EXPOSED,
    Cost,
    LimitExceeded,
    QueueFull,
    limit_headers,
    refusal_headers,
    unavailable_headers,
)
from nemotron_app.limits.headers import duration
from nemotron_app.limits.limiter import StoreLimiter
from nemotron_app.limits.memory import MemoryStore
from nemotron_app.limits.tier import FREE

NOON = 20_000 * 86_400_000 + 43_200_000


def _cost(tokens: int) -> Cost:
    return Cost(prompt_tokens=tokens, max_completion_tokens=0, weight=Fraction(1))


@pytest.fixture
def limiter() -> StoreLimiter:
    """One whose clock stands at noon."""
    return StoreLimiter(MemoryStore(lease_seconds=30, clock=lambda: NOON))


async def _refusal(limiter: StoreLimiter, *costs: int) -> LimitExceeded:
    with pytest.raises(LimitExceeded) as refused:  # noqa: PT012
        for cost in costs:
            lease = await limiter.reserve("user:1", FREE, _cost(cost))
            await limiter.settle(lease, cost)
    return refused.value


def _parse(text: str) -> dict[str, dict[str, Any]]:
    items: Any = http_sf.parse(text.encode(), tltype="list")
    return {name: dict(parameters) for name, parameters in items}


async def test_an_answer_carries_the_limits_in_openais_words(limiter: StoreLimiter) -> None:
    lease = await limiter.reserve("user:1", FREE, _cost(1_000))
    headers = limit_headers(lease.states)
    assert headers["x-ratelimit-limit-requests"] == "40"
    assert headers["x-ratelimit-remaining-requests"] == "9"
    assert headers["x-ratelimit-reset-requests"] == "1.5s"
    assert headers["x-ratelimit-limit-tokens"] == "60000"
    assert headers["x-ratelimit-remaining-tokens"] == "59000"
    assert headers["x-ratelimit-reset-tokens"] == "1s"


async def test_an_answer_carries_the_limits_in_the_ietfs_words(limiter: StoreLimiter) -> None:
    lease = await limiter.reserve("user:1", FREE, _cost(1_000))
    headers = limit_headers(lease.states)
    policies, remaining = _parse(headers["ratelimit-policy"]), _parse(headers["ratelimit"])
    assert policies["requests"] == {"q": 40, "w": 60, "nemotron-burst": 10}
    assert policies["tokens"] == {"q": 60_000, "w": 60, "qu": "tokens"}
    assert policies["tokens_per_day"] == {"q": 1_000_000, "w": 86_400, "qu": "tokens"}
    assert policies["in_flight"] == {"q": 4, "qu": "concurrent-requests"}
    assert remaining["requests"] == {"r": 9, "t": 2}
    assert remaining["tokens_per_day"] == {"r": 999_000, "t": 43_200}
    assert remaining["in_flight"] == {"r": 3, "t": 30}
    assert policies.keys() == remaining.keys()


async def test_a_refused_request_says_which_limit_and_when_it_frees(limiter: StoreLimiter) -> None:
    refusal = await _refusal(limiter, *[0] * 11)
    headers = refusal_headers(refusal)
    assert refusal.limit.name == "requests"
    assert str(refusal) == (
        "The limit is 40 requests a minute, 10 at once; 10 are used and this needs 1 more. It frees in 1.5 s."
    )
    assert (headers["retry-after"], headers["retry-after-ms"]) == ("2", "1500")
    assert "x-should-retry" not in headers
    assert headers["x-ratelimit-remaining-requests"] == "0"


async def test_nobody_should_retry_until_tomorrow(limiter: StoreLimiter) -> None:
    lease = await limiter.reserve("user:1", FREE, _cost(0))
    await limiter.settle(lease, 1_000_000)
    headers = refusal_headers(await _refusal(limiter, 1))
    assert headers["x-should-retry"] == "false"
    assert headers["retry-after"] == "43200"


async def test_what_never_fits_is_not_to_be_retried(limiter: StoreLimiter) -> None:
    refusal = await _refusal(limiter, 60_001)
    assert "this request alone needs 60001" in str(refusal)
    headers = refusal_headers(refusal)
    assert headers["x-should-retry"] == "false"
    assert "retry-after" not in headers


async def test_a_sign_in_refusal_has_no_headers_of_requests(limiter: StoreLimiter) -> None:
    for _ in range(10):
        await limiter.attempt_sign_in("192.0.2.1")
    with pytest.raises(LimitExceeded, match="1 failed sign-in a minute") as refused:
        await limiter.attempt_sign_in("192.0.2.1")
    headers = refusal_headers(refused.value)
    assert headers["retry-after"] == "60"
    assert "x-ratelimit-limit-requests" not in headers


def test_a_full_queue_says_when_to_come_back() -> None:
    assert unavailable_headers(QueueFull("full", retry_after=2.2)) == {
        "retry-after": "3",
        "retry-after-ms": "2200",
    }


async def test_degraded_limits_say_so(limiter: StoreLimiter) -> None:
    states = await limiter.usage("user:1", FREE)
    assert limit_headers(states, degraded=True)["x-ratelimit-degraded"] == "1"
    assert "x-ratelimit-degraded" not in limit_headers(states)


async def test_browsers_may_read_every_header(limiter: StoreLimiter) -> None:
    refusal = await _refusal(limiter, *[0] * 11)
    assert refusal_headers(refusal, degraded=True).keys() <= set(EXPOSED)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0171, "18ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (59.999, "59.999s"),
        (360, "6m0s"),
        (10_921, "3h2m1s"),
    ],
)
def test_durations_read_as_openais(seconds: float, text: str) -> None:
    assert duration(seconds) == text
