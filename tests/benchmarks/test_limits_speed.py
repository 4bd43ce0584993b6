"""How many requests a second can be limited, in Redis and in memory, beside two libraries?

A step of ours is one request: a reservation under four limits and its settlement, two round trips. A step of
the libraries is one hit of one limit, one round trip; neither can settle, so four limits would be four.
"""

import asyncio
import os
import platform
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from fractions import Fraction

import limits
import pytest
import redis.asyncio
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from throttled import RateLimiterType
from throttled.asyncio import MemoryStore as ThrottledMemory
from throttled.asyncio import RedisStore as ThrottledRedis
from throttled.asyncio import Throttled, rate_limiter

from nemotron_app.limits import Cost, Limiter
from nemotron_app.limits.limiter import StoreLimiter
from nemotron_app.limits.memory import MemoryStore
from nemotron_app.limits.redis_store import RedisStore, connect
from nemotron_app.limits.tier import LOCAL

pytestmark = pytest.mark.benchmark

NUM_OWNERS = 64
SECONDS = 2.0
TIER = replace(LOCAL, requests_per_minute=10**9, burst=10**9, in_flight=1_000)
COST = Cost(prompt_tokens=100, max_completion_tokens=900, weight=Fraction(1, 2))

Step = Callable[[str], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Speed:
    """Steps a second, and how long one took, in milliseconds."""

    rate: float
    median: float
    slowest_percent: float


async def _measure(step: Step, side_by_side: int) -> Speed:
    await step("owner:warm")
    took: list[float] = []
    start = time.perf_counter()

    async def run(first: int) -> None:
        number = first
        while (began := time.perf_counter()) - start < SECONDS:
            await step(f"owner:{number % NUM_OWNERS}")
            took.append(time.perf_counter() - began)
            number += side_by_side

    await asyncio.gather(*map(run, range(side_by_side)))
    rate = len(took) / (time.perf_counter() - start)
    return Speed(rate, 1000 * statistics.median(took), 1000 * statistics.quantiles(took, n=100)[-1])


def _pair(limiter: Limiter) -> Step:
    async def step(owner: str) -> None:
        await limiter.settle(await limiter.reserve(owner, TIER, COST), 300)

    return step


def _limits(limiter: FixedWindowRateLimiter) -> Step:
    rate = limits.RateLimitItemPerMinute(10**9)

    async def step(owner: str) -> None:
        assert await limiter.hit(rate, owner)

    return step


def _throttled(limiter: Throttled) -> Step:
    async def step(owner: str) -> None:
        assert not (await limiter.limit(owner)).limited

    return step


def _gcra(store: ThrottledMemory | ThrottledRedis) -> Throttled:
    quota = rate_limiter.per_min(10**9, burst=10**9)
    return Throttled(using=RateLimiterType.GCRA.value, quota=quota, store=store)


def _row(name: str, speeds: list[Speed]) -> str:
    cells = [f"{speed.rate:>9,.0f} {speed.median:>7.3f} {speed.slowest_percent:>7.3f}" for speed in speeds]
    return f"{name:<44}{'  |'.join(cells)}"


def _steps_in_memory() -> list[tuple[str, Step]]:
    return [
        ("memory: reserve + settle, four limits", _pair(StoreLimiter(MemoryStore(lease_seconds=30)))),
        ("memory: limits, fixed window, one hit", _limits(FixedWindowRateLimiter(MemoryStorage()))),
        ("memory: throttled-py, GCRA, one hit", _throttled(_gcra(ThrottledMemory()))),
    ]


@asynccontextmanager
async def _steps_in_redis(url: str) -> AsyncGenerator[list[tuple[str, Step]], None]:
    """Each over a pool of its own."""
    client = redis.asyncio.Redis.from_url(url)
    ours = StoreLimiter(RedisStore(connect(url, patience=5), lease_seconds=30, patience=5))
    pool = redis.asyncio.ConnectionPool.from_url(url)
    windows = RedisStorage(
        f"async+{url}",
        implementation="redispy",
        connection_pool=pool,  # type: ignore[arg-type]
    )
    gcra = ThrottledRedis(server=url)
    yield [
        ("Redis: PING", lambda _: client.ping()),
        ("Redis: reserve + settle, four limits", _pair(ours)),
        ("Redis: limits, fixed window, one hit", _limits(FixedWindowRateLimiter(windows))),
        ("Redis: throttled-py, GCRA, one hit", _throttled(_gcra(gcra))),
    ]
    await client.aclose()
    await ours.close()
    await pool.aclose()
    # It has no way of its own to close, and its protocol of a client lacks this one.
    await gcra._backend.get_client().aclose()  # type: ignore[attr-defined]


async def _versions(url: str) -> str:
    async with redis.asyncio.Redis.from_url(url) as client:
        server = (await client.info("server"))["redis_version"]
    python, machine = platform.python_version(), f"{platform.machine()}, {os.cpu_count()} cores"
    load = os.getloadavg()[0]
    return f"{machine}, load {load:.1f}, Python {python}, Redis {server}, redis-py {redis.__version__}"


async def test_speed_of_limiters(redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with _steps_in_redis(redis_url) as in_redis:
        steps = [*in_redis, *_steps_in_memory()]
        rows = [_row(name, [await _measure(step, 1), await _measure(step, 32)]) for name, step in steps]
    columns = f"{'per s':>9} {'p50 ms':>7} {'p99 ms':>7}"
    with capsys.disabled():
        print(f"\n{await _versions(redis_url)}")
        print(f"{'':<44}{'1 in flight':>25}  |{'32 in flight':>25}")
        print(f"{'':<44}{columns}  |{columns}")
        print("\n".join(rows))
