"""Do both limiters do what a third, independent account of the rules says, at every step?"""

import asyncio
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any
from uuid import uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from nemotron_app.limits import Cost, Lease, Limiter, LimitExceeded, LimitState, Tier
from nemotron_app.limits.limiter import StoreLimiter
from nemotron_app.limits.memory import MemoryStore
from nemotron_app.limits.redis_store import RedisStore, connect

LEASE = 30
DAY = 86_400_000
WIDE = Tier(
    name="wide",
    requests_per_minute=7,
    burst=50,
    tokens_per_minute=100_000,
    tokens_per_day=1_000_000,
    in_flight=50,
    survives_outage=True,
)
# Each but the last has one limit that is reached before all others.
TIERS = (
    replace(WIDE, name="few requests", burst=3),
    replace(WIDE, name="few tokens", tokens_per_minute=101),
    replace(WIDE, name="short day", tokens_per_day=150),
    replace(WIDE, name="few at a time", in_flight=2),
    replace(WIDE, name="poor", burst=3, tokens_per_minute=101, tokens_per_day=400, in_flight=2),
)


@dataclass
class Running:
    """A request that the rules know of."""

    expires: int
    charged: int
    reported: int
    day: int


@dataclass
class Rules:
    """The limits by the book: GCRA as virtual scheduling, exact fractions, and no shared code."""

    now: int
    tier: Tier
    arrival: Fraction = Fraction(0)  # theoretical arrival time of the next request, in milliseconds
    owed: Fraction = Fraction(0)  # tokens that have not come back yet
    by_day: dict[int, int] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    admitted: list[int] = field(default_factory=list)

    @property
    def today(self) -> int:
        return self.by_day.get(self.now // DAY, 0)

    def wait(self, milliseconds: int) -> None:
        self.now += milliseconds
        self.owed = max(Fraction(0), self.owed - Fraction(milliseconds * self.tier.tokens_per_minute, 60_000))

    def look(self) -> None:
        orphans = [name for name, request in self.running.items() if request.expires <= self.now]
        gone = [self.running.pop(name) for name in orphans]
        self.owed = max(Fraction(0), self.owed + sum(orphan.reported - orphan.charged for orphan in gone))
        for day in {orphan.day for orphan in gone}:
            change = sum(orphan.reported - orphan.charged for orphan in gone if orphan.day == day)
            self.by_day[day] = max(0, self.by_day.get(day, 0) + change)

    def allows(self, cost: int) -> str:
        interval = Fraction(60_000, self.tier.requests_per_minute)
        if self.today + cost > self.tier.tokens_per_day:
            return "tokens_per_day"
        if self.owed + cost > self.tier.tokens_per_minute:
            return "tokens"
        if self.now < self.arrival - (self.tier.burst - 1) * interval:
            return "requests"
        return "in_flight" if len(self.running) >= self.tier.in_flight else ""

    def start(self, name: str, cost: int, least: int) -> None:
        self.arrival = max(self.arrival, Fraction(self.now)) + Fraction(60_000, self.tier.requests_per_minute)
        self.charge(cost, self.now // DAY)
        self.running[name] = Running(self.now + 1000 * LEASE, cost, least, self.now // DAY)
        self.admitted.append(self.now)

    def renew(self, name: str, known: int, used: int) -> None:
        request = self.running.setdefault(name, Running(0, known, known, self.now // DAY))
        request.expires = self.now + 1000 * LEASE
        request.reported = max(request.reported, used)

    def settle(self, name: str, known: int, used: int) -> None:
        if name in self.running:
            self.end(name, used)
        elif used > known:
            self.charge(used - known, self.now // DAY)

    def end(self, name: str, used: int) -> None:
        request = self.running.pop(name)
        self.charge(used - request.charged, request.day)

    def charge(self, amount: int, day: int) -> None:
        self.owed = max(Fraction(0), self.owed + amount)
        self.by_day[day] = max(0, self.by_day.get(day, 0) + amount)

    def remaining(self) -> list[int]:
        interval = Fraction(60_000, self.tier.requests_per_minute)
        ahead = max(Fraction(0), self.arrival - self.now)
        return [
            max(0, int((self.tier.burst * interval - ahead) // interval)),
            max(0, int((self.tier.tokens_per_minute - self.owed) // 1)),
            max(0, self.tier.tokens_per_day - self.today),
            max(0, self.tier.in_flight - len(self.running)),
        ]


@dataclass
class Pair:
    """One request as both limiters hold it; `name` is what the rules call it."""

    name: str
    in_memory: Lease
    in_redis: Lease
    known: int
    open: bool = True


class LimiterMachine(RuleBasedStateMachine):
    """Random requests, renewals, settlements and waits, by one caller."""

    leases: Bundle[Pair] = Bundle("leases")

    def __init__(self, url: str) -> None:
        super().__init__()
        self.book = Rules(now=20_000 * DAY - 45_000, tier=WIDE)
        self.owner = f"model:{uuid4().hex}"
        self.runner = asyncio.Runner()
        clock = lambda: self.book.now  # noqa: E731
        self.memory: Limiter = StoreLimiter(MemoryStore(lease_seconds=LEASE, clock=clock))
        redis = connect(url, patience=5)
        self.redis: Limiter = StoreLimiter(RedisStore(redis, lease_seconds=LEASE, patience=5, clock=clock))

    def teardown(self) -> None:
        self.runner.run(self.redis.close())
        self.runner.close()

    @initialize(tier=st.sampled_from(TIERS))
    def choose(self, tier: Tier) -> None:
        self.book.tier = tier

    @rule(target=leases, prompt=st.integers(0, 60), completion=st.integers(0, 120))
    def reserve(self, prompt: int, completion: int) -> Any:
        cost = Cost(prompt_tokens=prompt, max_completion_tokens=completion, weight=Fraction(2, 3))
        self.book.look()
        expected = self.book.allows(cost.most)
        in_memory, in_redis = (self._reserve(limiter, cost) for limiter in (self.memory, self.redis))
        if isinstance(in_memory, Lease) and isinstance(in_redis, Lease):
            assert expected == ""
            self.book.start(in_memory.id, cost.most, cost.least)
            return Pair(in_memory.id, in_memory, in_redis, cost.least)
        assert isinstance(in_memory, LimitExceeded)
        assert isinstance(in_redis, LimitExceeded)
        assert in_memory.limit.name == in_redis.limit.name == expected
        assert str(in_memory) == str(in_redis)
        assert in_memory.retry_after == in_redis.retry_after
        return multiple()

    @rule(pair=leases, used=st.integers(0, 200))
    def renew(self, pair: Pair, used: int) -> None:
        if pair.open:
            used = max(used, pair.known)
            self.book.look()
            self.book.renew(pair.name, pair.known, used)
            self._both(lambda limiter, lease: limiter.renew(lease, used), pair)
            pair.known = used

    @rule(pair=leases, used=st.integers(0, 200))
    def settle(self, pair: Pair, used: int) -> None:
        if pair.open:
            self.book.look()
            self.book.settle(pair.name, pair.known, used)
            pair.open = False
        self._both(lambda limiter, lease: limiter.settle(lease, used), pair)

    @rule(milliseconds=st.sampled_from([1, 17, 999, 8_571, 8_572, 29_999, 30_000, 60_000, DAY]))
    def wait(self, milliseconds: int) -> None:
        self.book.wait(milliseconds)

    @invariant()
    def both_say_what_the_rules_say(self) -> None:
        in_memory, in_redis = self._usage(self.memory), self._usage(self.redis)
        assert in_memory == in_redis
        self.book.look()
        assert [state.remaining for state in in_memory] == self.book.remaining()

    @invariant()
    def looking_spends_nothing(self) -> None:
        assert self._usage(self.redis) == self._usage(self.redis)
        assert self._usage(self.memory) == self._usage(self.memory)

    @invariant()
    def no_span_of_time_admits_more_than_burst_and_rate(self) -> None:
        times, tier = self.book.admitted, self.book.tier
        for first, start in enumerate(times):
            for count, end in enumerate(times[first:], start=1):
                assert count <= tier.burst + Fraction((end - start) * tier.requests_per_minute, 60_000)

    def _reserve(self, limiter: Limiter, cost: Cost) -> Lease | LimitExceeded:
        try:
            return self.runner.run(limiter.reserve(self.owner, self.book.tier, cost))
        except LimitExceeded as refusal:
            return refusal

    def _usage(self, limiter: Limiter) -> tuple[LimitState, ...]:
        return self.runner.run(limiter.usage(self.owner, self.book.tier))

    def _both(self, call: Any, pair: Pair) -> None:
        self.runner.run(call(self.memory, pair.in_memory))
        self.runner.run(call(self.redis, pair.in_redis))


def test_both_limiters_follow_the_rules_step_by_step(redis_url: str) -> None:
    run_state_machine_as_test(
        lambda: LimiterMachine(redis_url),  # type: ignore[arg-type]
        settings=settings(max_examples=80, stateful_step_count=40, deadline=None, derandomize=True),
    )
