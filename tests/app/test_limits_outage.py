"""What happens to callers when Redis is gone, slow, restarted or full?"""

import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction

import pytest
import redis.asyncio

from nemotron_app.limits import (
    Cost,
    LimiterSettings,
    LimiterUnavailable,
    LimitExceeded,
    limiter_for,
)
from nemotron_app.limits.breaker import Breaker
from nemotron_app.limits.ledger import Reading, Verdict
from nemotron_app.limits.limiter import StoreLimiter
from nemotron_app.limits.memory import MemoryStore
from nemotron_app.limits.outage import OutageLimiter, WhenDown
from nemotron_app.limits.redis_store import RedisStore, connect
from nemotron_app.limits.tier import FREE, GUEST, Tier

COST = Cost(prompt_tokens=10, max_completion_tokens=90, weight=Fraction(1))
REPLICAS = 4


class CountedStore(RedisStore):
    """Also tells how often Redis was asked to reserve."""

    num_asked = 0

    async def reserve(
        self, owner: str, tier: Tier, lease: str, *, charge: int, least: int
    ) -> tuple[Verdict, Reading]:
        self.num_asked += 1
        return await super().reserve(owner, tier, lease, charge=charge, least=least)


@dataclass
class Setting:
    """A limiter over a Redis server that the test may harm, and a breaker on a clock that stands still."""

    port: int
    launch: Callable[..., "subprocess.Popen[str]"]
    when_down: WhenDown = "local"
    now: float = 0.0
    server: "subprocess.Popen[str]" = field(init=False)

    def __post_init__(self) -> None:
        self.server = self.launch(self.port)
        self.store = CountedStore(
            connect(f"redis://127.0.0.1:{self.port}", patience=0.25), lease_seconds=30, patience=0.25
        )
        self.limiter = OutageLimiter(
            StoreLimiter(self.store),
            StoreLimiter(MemoryStore(lease_seconds=30)),
            breaker=Breaker(failures=2, first_rest=1, longest_rest=4, clock=lambda: self.now),
            replicas=REPLICAS,
            when_down=self.when_down,
        )

    def kill(self) -> None:
        self.server.kill()
        self.server.wait()

    def restart(self) -> None:
        self.kill()
        self.server = self.launch(self.port)

    async def spend(self, owner: str = "user:1", tier: Tier = FREE) -> bool:
        """One whole request; whether it was granted by this process alone."""
        lease = await self.limiter.reserve(owner, tier, COST)
        await self.limiter.settle(lease, 50)
        return lease.degraded

    async def command(self, *words: str) -> object:
        async with redis.asyncio.Redis(port=self.port) as client:
            return await client.execute_command(*words)  # type: ignore[no-untyped-call]


@pytest.fixture
async def setting(
    free_port: int, launch_redis: Callable[..., "subprocess.Popen[str]"]
) -> AsyncIterator[Setting]:
    setting = Setting(free_port, launch_redis)
    yield setting
    await setting.limiter.close()


async def test_while_redis_answers_nothing_is_degraded(setting: Setting) -> None:
    assert not await setting.spend()
    status = setting.limiter.status()
    assert (status.backend, status.is_degraded, status.num_outages) == ("redis", False, 0)


@pytest.mark.parametrize("harm", ["gone", "slow"])
async def test_signed_in_callers_go_on_under_a_share(setting: Setting, harm: str) -> None:
    assert not await setting.spend()
    setting.kill() if harm == "gone" else setting.server.send_signal(signal.SIGSTOP)
    granted = 0
    with pytest.raises(LimitExceeded) as refusal:  # noqa: PT012
        while granted < FREE.burst:
            assert await setting.spend()
            granted += 1
    assert granted == FREE.burst // REPLICAS
    assert refusal.value.limit.limit == FREE.requests_per_minute // REPLICAS
    status = setting.limiter.status()
    assert (status.backend, status.is_degraded, status.num_outages) == ("memory", True, 1)
    assert "Redis" in status.reason


async def test_guests_are_refused_while_redis_is_gone(setting: Setting) -> None:
    assert not await setting.spend("guest:1", GUEST)
    setting.kill()
    with pytest.raises(LimiterUnavailable, match="signed-in"):
        await setting.spend("guest:1", GUEST)
    with pytest.raises(LimiterUnavailable, match="signed-in"):
        await setting.limiter.usage("guest:1", GUEST)


async def test_closed_refuses_everyone_while_redis_is_gone(
    free_port: int, launch_redis: Callable[..., "subprocess.Popen[str]"]
) -> None:
    setting = Setting(free_port, launch_redis, when_down="closed")
    setting.kill()
    with pytest.raises(LimiterUnavailable, match="no request is taken"):
        await setting.spend()
    with pytest.raises(LimiterUnavailable, match="no request is taken"):
        await setting.limiter.attempt_sign_in("192.0.2.1")
    await setting.limiter.close()


async def test_a_stopped_redis_is_asked_twice_and_then_once_a_rest(setting: Setting) -> None:
    setting.server.send_signal(signal.SIGSTOP)
    for number in range(20):
        assert await setting.spend(f"user:{number}")
    assert setting.store.num_asked == 2
    for number, rest in enumerate((1, 2, 4, 4), start=3):
        setting.now += rest
        await setting.spend(f"later:{number}")
        await setting.spend(f"latest:{number}")
        assert setting.store.num_asked == number


async def test_a_stopped_redis_is_used_again_by_itself(setting: Setting) -> None:
    setting.server.send_signal(signal.SIGSTOP)
    for number in range(3):
        assert await setting.spend(f"user:{number}")
    setting.server.send_signal(signal.SIGCONT)
    setting.now += 1
    assert not await setting.spend("user:9")
    assert not setting.limiter.status().is_degraded
    assert setting.limiter.status().num_outages == 1


async def test_a_restarted_redis_is_used_again_without_its_scripts(setting: Setting) -> None:
    assert not await setting.spend()
    setting.kill()
    assert [await setting.spend("user:2"), await setting.spend("user:2")] == [True, True]
    setting.restart()
    assert await setting.spend("user:3")
    setting.now += 1
    assert not await setting.spend("user:3")


async def test_flushed_scripts_are_loaded_again(setting: Setting) -> None:
    assert not await setting.spend()
    await setting.command("SCRIPT", "FLUSH")
    assert not await setting.spend()
    assert setting.limiter.status().num_outages == 0


async def test_a_restart_between_two_requests_goes_unnoticed(setting: Setting) -> None:
    assert not await setting.spend()
    setting.restart()
    await setting.command("PING")  # gives the loop time to see that the old connection ended
    assert not await setting.spend()


async def test_a_full_redis_grants_nothing_by_halves(setting: Setting) -> None:
    await setting.command("CONFIG", "SET", "maxmemory", "1")
    assert await setting.spend("user:full")
    assert await setting.command("KEYS", "rl:{user:full}:*") == []
    assert "OutOfMemory" in setting.limiter.status().reason


async def test_a_full_redis_still_takes_back_what_was_reserved(setting: Setting) -> None:
    lease = await setting.limiter.reserve("user:full", FREE, COST)
    await setting.command("CONFIG", "SET", "maxmemory", "1")
    states = {state.name: state for state in await setting.limiter.settle(lease, 30)}
    assert (states["in_flight"].used, states["tokens_per_day"].used) == (0, 30)
    assert not setting.limiter.status().is_degraded


async def test_a_lease_from_before_the_outage_ends_quietly(setting: Setting) -> None:
    lease = await setting.limiter.reserve("user:1", FREE, COST)
    setting.kill()
    await setting.limiter.renew(lease, 20)
    assert await setting.limiter.settle(lease, 40) == lease.states
    assert setting.limiter.status().is_degraded


async def test_a_lease_from_the_outage_is_settled_where_it_was_granted(setting: Setting) -> None:
    setting.kill()
    lease = await setting.limiter.reserve("user:1", FREE, COST)
    setting.restart()
    await setting.limiter.renew(lease, 20)
    states = {state.name: state for state in await setting.limiter.settle(lease, 40)}
    assert (states["in_flight"].used, states["tokens_per_day"].used) == (0, 40)
    assert await setting.command("KEYS", "rl:*") == []


async def test_addresses_are_watched_while_redis_is_gone(setting: Setting) -> None:
    setting.kill()
    for _ in range(10):
        await setting.limiter.attempt_sign_in("192.0.2.1")
    with pytest.raises(LimitExceeded):
        await setting.limiter.attempt_sign_in("192.0.2.1")
    await setting.limiter.forgive_sign_in("192.0.2.1")
    await setting.limiter.attempt_sign_in("192.0.2.1")


async def test_shares_of_all_replicas_make_up_at_most_the_limits() -> None:
    share = FREE.share(REPLICAS)
    for name in ("requests_per_minute", "burst", "tokens_per_minute", "tokens_per_day", "in_flight"):
        assert 0 < REPLICAS * getattr(share, name) <= getattr(FREE, name)


async def test_settings_without_redis_keep_limits_in_memory() -> None:
    limiter = limiter_for(LimiterSettings())
    assert limiter.status().backend == "memory"
    with suppress(LimitExceeded):
        for _ in range(FREE.burst + 1):
            await limiter.settle(await limiter.reserve("user:1", FREE, COST), 0)
    assert (await limiter.usage("user:1", FREE))[0].remaining == 0


async def test_settings_with_redis_keep_limits_there(redis_url: str) -> None:
    limiter = limiter_for(LimiterSettings(redis_url=redis_url, patience_seconds=5))
    lease = await limiter.reserve("user:settings", FREE, COST)
    assert not lease.degraded
    await limiter.settle(lease, 0)
    assert limiter.status().backend == "redis"
    await limiter.close()
