"""Are the books in Redis where a cluster, a memory limit and a wrong clock can do no harm?"""

import asyncio
import inspect
from collections.abc import AsyncIterator
from fractions import Fraction
from uuid import uuid4

import pytest
import redis.asyncio
from redis.crc import key_slot

from nemotron_app.limits import Cost, LimitExceeded
from nemotron_app.limits.assemble import limiter_for
from nemotron_app.limits.limiter import StoreLimiter
from nemotron_app.limits.redis_store import RedisStore, connect
from nemotron_app.limits.tier import FREE, LOCAL

COST = Cost(prompt_tokens=10, max_completion_tokens=90, weight=Fraction(1))


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    """A client that looks into the books."""
    async with redis.asyncio.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
async def limiter(redis_url: str) -> AsyncIterator[StoreLimiter]:
    """A limiter on the server's clock."""
    limiter = StoreLimiter(RedisStore(connect(redis_url, patience=5), lease_seconds=30, patience=5))
    yield limiter
    await limiter.close()


async def _keys(client: redis.asyncio.Redis, owner: str) -> list[str]:
    return sorted(map(str, await client.keys(f"rl:{{{owner}}}:*")))


async def test_all_keys_of_a_caller_lie_in_one_slot(
    limiter: StoreLimiter, client: redis.asyncio.Redis
) -> None:
    owner = f"user:{uuid4()}"
    await limiter.reserve(owner, FREE, COST)
    keys = await _keys(client, owner)
    assert len(keys) == 3
    assert len({key_slot(key.encode()) for key in keys}) == 1


async def test_looking_writes_nothing(limiter: StoreLimiter, client: redis.asyncio.Redis) -> None:
    owner = f"user:{uuid4()}"
    await limiter.usage(owner, FREE)
    assert await _keys(client, owner) == []


async def test_a_refusal_writes_nothing(limiter: StoreLimiter, client: redis.asyncio.Redis) -> None:
    owner = f"user:{uuid4()}"
    with pytest.raises(LimitExceeded):
        await limiter.reserve(
            owner, FREE, Cost(prompt_tokens=60_001, max_completion_tokens=0, weight=Fraction(1))
        )
    assert await _keys(client, owner) == []


async def test_every_key_expires_once_it_means_nothing(
    limiter: StoreLimiter, client: redis.asyncio.Redis
) -> None:
    owner, address = f"user:{uuid4()}", f"192.0.2.1/{uuid4()}"
    await limiter.reserve(owner, FREE, COST)
    await limiter.attempt_sign_in(address)
    for key in await _keys(client, owner):
        assert 0 < await client.pttl(key) <= 86_400_000 + 2 * 30_000
    (key,) = await _keys(client, address)
    assert 0 < await client.pttl(key) <= 60_001


async def test_a_settled_lease_leaves_no_trace(limiter: StoreLimiter, client: redis.asyncio.Redis) -> None:
    owner = f"user:{uuid4()}"
    await limiter.settle(await limiter.reserve(owner, FREE, COST), 1)
    assert await _keys(client, owner) == [f"rl:{{{owner}}}:spent"]


async def test_time_is_the_servers(redis_url: str, client: redis.asyncio.Redis) -> None:
    store = RedisStore(connect(redis_url, patience=5), lease_seconds=30, patience=5)
    seconds, microseconds = await client.time()
    reading = await store.read(f"user:{uuid4()}", FREE)
    assert -1 <= reading.now - (seconds * 1000 + microseconds / 1000) <= 60_000
    await store.close()


async def test_a_clock_that_jumps_back_frees_nothing_and_blocks_nobody(redis_url: str) -> None:
    now = 20_000 * 86_400_000 + 3_600_000
    store = RedisStore(connect(redis_url, patience=5), lease_seconds=30, patience=5, clock=lambda: now)
    limiter, owner = StoreLimiter(store), f"user:{uuid4()}"
    for _ in range(FREE.burst):
        await limiter.settle(await limiter.reserve(owner, FREE, COST), 0)
    now -= 600_000
    with pytest.raises(LimitExceeded):
        await limiter.reserve(owner, FREE, COST)
    now += 601_500
    await limiter.settle(await limiter.reserve(owner, FREE, COST), 0)
    await limiter.close()


def test_no_setting_reaches_the_clock_of_the_script() -> None:
    assert "clock" not in inspect.getsource(limiter_for)


async def test_an_evicted_record_of_a_lease_does_not_lock_its_owner_out(
    redis_url: str, client: redis.asyncio.Redis
) -> None:
    now = 20_000 * 86_400_000
    store = RedisStore(connect(redis_url, patience=5), lease_seconds=30, patience=5, clock=lambda: now)
    limiter, owner = StoreLimiter(store), f"user:{uuid4()}"
    await limiter.reserve(owner, FREE, COST)
    await client.delete(f"rl:{{{owner}}}:held")
    now += 30_000
    assert (await limiter.usage(owner, FREE))[3].used == 0
    await limiter.close()


async def test_answers_are_not_mixed_up_when_callers_leave(limiter: StoreLimiter) -> None:
    """A cancelled call must not leave its answer in a connection for the next one to read."""
    run = uuid4().hex

    async def spend(number: int) -> int:
        lease = await limiter.reserve(f"user:{run}:{number}", LOCAL, COST)
        return (await limiter.settle(lease, number))[2].used

    leaving = [asyncio.create_task(spend(number)) for number in range(200)]
    for place, task in enumerate(leaving):
        for _ in range(place % 5):
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    staying = [spend(number) for number in range(1_000, 1_100)]
    assert await asyncio.gather(*staying) == list(range(1_000, 1_100))
