"""Do leases live as long as their requests, and does waiting help where it should?"""

import asyncio
from fractions import Fraction

import pytest

from nemotron_app.limits import Cost, Keeper, Lease, LimitExceeded, LimitState, Patience, Tier
from nemotron_app.limits.breaker import Breaker
from nemotron_app.limits.errors import StoreUnavailable
from nemotron_app.limits.ledger import Reading
from nemotron_app.limits.limiter import StoreLimiter
from nemotron_app.limits.memory import MemoryStore
from nemotron_app.limits.tier import FREE

COST = Cost(prompt_tokens=10, max_completion_tokens=90, weight=Fraction(1))
LEASE = 30.0


class Clock:
    """Time that passes only when told, or slept."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.slept: list[float] = []

    def milliseconds(self) -> int:
        return round(self.now * 1000)

    def seconds(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    """Books in memory on that clock."""
    return MemoryStore(lease_seconds=LEASE, clock=clock.milliseconds)


@pytest.fixture
def limiter(store: MemoryStore) -> StoreLimiter:
    """A limiter over them."""
    return StoreLimiter(store)


async def _states(limiter: StoreLimiter, tier: Tier = FREE) -> dict[str, LimitState]:
    return {state.name: state for state in await limiter.usage("user:1", tier)}


async def test_a_kept_lease_outlives_its_time(clock: Clock, limiter: StoreLimiter) -> None:
    keeper = Keeper(limiter, interval=10)
    lease = await limiter.reserve("user:1", FREE, COST)
    keeper.keep(lease, lambda: 20)
    for _ in range(10):
        clock.now += 10
        await keeper.renew_all()
    assert (await _states(limiter))["in_flight"].used == 1
    await keeper.settle(lease, 40)
    assert (await _states(limiter))["in_flight"].used == 0
    assert (await _states(limiter))["tokens_per_day"].used == 40


async def test_an_abandoned_lease_is_charged_what_was_last_reported(
    clock: Clock, limiter: StoreLimiter
) -> None:
    lease = await limiter.reserve("user:1", FREE, COST)
    await limiter.renew(lease, 33)
    clock.now += LEASE
    assert (await _states(limiter))["tokens_per_day"].used == 33


async def test_a_lease_that_never_reported_is_charged_its_prompt(clock: Clock, limiter: StoreLimiter) -> None:
    await limiter.reserve("user:1", FREE, COST)
    clock.now += LEASE
    assert (await _states(limiter))["tokens_per_day"].used == 10


async def test_a_process_that_slept_past_its_lease_settles_the_truth(
    clock: Clock, limiter: StoreLimiter
) -> None:
    lease = await limiter.reserve("user:1", FREE, COST)
    await limiter.renew(lease, 33)
    clock.now += 2 * LEASE
    await _states(limiter)
    await limiter.settle(lease, 70)
    assert (await _states(limiter))["tokens_per_day"].used == 70


async def test_only_the_first_settlement_counts(limiter: StoreLimiter) -> None:
    lease = await limiter.reserve("user:1", FREE, COST)
    await asyncio.gather(limiter.settle(lease, 40), limiter.settle(lease, 90), limiter.renew(lease, 95))
    assert (await _states(limiter))["tokens_per_day"].used == 40
    assert (await _states(limiter))["in_flight"].used == 0


async def test_a_keeper_renews_by_itself_while_entered(clock: Clock, limiter: StoreLimiter) -> None:
    renewed = asyncio.Event()

    def used() -> int:
        if len(clock.slept) >= 12:
            renewed.set()
        return 20

    async with Keeper(limiter, interval=10, sleep=clock.sleep) as keeper:
        lease = await limiter.reserve("user:1", FREE, COST)
        keeper.keep(lease, used)
        await renewed.wait()
        assert (await _states(limiter))["in_flight"].used == 1
        await keeper.settle(lease, 20)


class DeadStore(MemoryStore):
    """Never renews."""

    async def renew(self, owner: str, tier: Tier, lease: str, *, known: int, used: int) -> Reading:
        raise StoreUnavailable("dead")


async def test_a_keeper_survives_a_store_that_does_not_renew(clock: Clock) -> None:
    limiter = StoreLimiter(DeadStore(lease_seconds=LEASE, clock=clock.milliseconds))
    keeper = Keeper(limiter, interval=10)
    lease = await limiter.reserve("user:1", FREE, COST)
    keeper.keep(lease, lambda: 20)
    await keeper.renew_all()
    assert lease.is_open


class SlowLimiter(StoreLimiter):
    """Settles when it is let."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.asked = asyncio.Event()
        self.may_settle = asyncio.Event()
        self.settled = asyncio.Event()

    async def settle(self, lease: Lease, used: int) -> tuple[LimitState, ...]:
        self.asked.set()
        await self.may_settle.wait()
        states = await super().settle(lease, used)
        self.settled.set()
        return states


async def test_a_caller_who_is_cancelled_while_settling_is_still_charged(store: MemoryStore) -> None:
    limiter = SlowLimiter(store)
    lease = await limiter.reserve("user:1", FREE, COST)
    settling = asyncio.create_task(Keeper(limiter, interval=10).settle(lease, 40))
    await limiter.asked.wait()
    settling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settling
    limiter.may_settle.set()
    await limiter.settled.wait()
    assert (await _states(limiter))["tokens_per_day"].used == 40


async def test_a_short_refusal_is_waited_out(clock: Clock, limiter: StoreLimiter) -> None:
    patience = Patience(limiter, seconds=2, waiting=4, clock=clock.seconds, sleep=clock.sleep)
    for _ in range(FREE.burst + 3):
        await limiter.settle(await patience.reserve("user:1", FREE, COST), 0)
    assert clock.slept == [1.5] * 3


async def test_a_long_refusal_is_passed_on_at_once(clock: Clock, limiter: StoreLimiter) -> None:
    patience = Patience(limiter, seconds=1, waiting=4, clock=clock.seconds, sleep=clock.sleep)
    with pytest.raises(LimitExceeded):  # noqa: PT012
        for _ in range(FREE.burst + 1):
            await limiter.settle(await patience.reserve("user:1", FREE, COST), 0)
    assert clock.slept == []


async def test_few_requests_of_one_owner_wait(clock: Clock, limiter: StoreLimiter) -> None:
    let_go = asyncio.Event()

    async def sleep(seconds: float) -> None:
        await let_go.wait()
        await clock.sleep(seconds)

    patience = Patience(limiter, seconds=60, waiting=2, clock=clock.seconds, sleep=sleep)
    for _ in range(FREE.burst):
        await limiter.settle(await patience.reserve("user:1", FREE, COST), 0)
    waiting = [asyncio.create_task(patience.reserve("user:1", FREE, COST)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(LimitExceeded):
        await patience.reserve("user:1", FREE, COST)
    let_go.set()
    for lease in await asyncio.gather(*waiting):
        await limiter.settle(lease, 0)


async def test_strangers_who_never_return_are_forgotten(clock: Clock, store: MemoryStore) -> None:
    limiter = StoreLimiter(store)
    for number in range(3_000):
        await limiter.usage(f"stranger:{number}", FREE)
        await limiter.attempt_sign_in(f"192.0.2.{number}")
    clock.now += 86_400
    for _ in range(10_000):
        await limiter.usage("user:1", FREE)
    assert store.num_remembered <= 1


def test_a_breaker_opens_probes_and_closes() -> None:
    now = 0.0
    breaker = Breaker(failures=2, first_rest=1, longest_rest=2, clock=lambda: now)
    breaker.failed("slow")
    assert (breaker.is_open, breaker.is_failing, breaker.allows()) == (False, True, True)
    breaker.failed("slow")
    assert (breaker.is_open, breaker.allows()) == (True, False)
    now = 1.0
    assert [breaker.allows(), breaker.allows()] == [True, False]
    breaker.failed("gone")
    now = 2.9
    assert not breaker.allows()
    now = 3.0
    assert breaker.allows()
    breaker.succeeded()
    assert (breaker.is_open, breaker.is_failing, breaker.reason, breaker.num_openings) == (
        False,
        False,
        "",
        1,
    )
