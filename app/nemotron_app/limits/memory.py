"""How are the books kept within one process?"""

import time
from collections.abc import Callable

from nemotron_app.limits.failures import Failures
from nemotron_app.limits.ledger import Ledger, Reading, Verdict
from nemotron_app.limits.tier import SignInLimit, Tier

_STEPS_BETWEEN_SWEEPS = 4096


def steady_clock() -> Callable[[], int]:
    """Milliseconds since 1970 that never jump: the date of the start, carried on by the monotonic clock."""
    start = time.time_ns() - time.monotonic_ns()
    return lambda: (start + time.monotonic_ns()) // 1_000_000


class MemoryStore:
    """Ledgers in a dictionary. No method waits for anything, so each is atomic in one event loop."""

    def __init__(self, *, lease_seconds: float, clock: Callable[[], int] | None = None) -> None:
        self._clock = clock or steady_clock()
        self._lease_milliseconds = round(1000 * lease_seconds)
        self._ledgers: dict[str, tuple[Ledger, Tier]] = {}
        self._failures: dict[str, tuple[Failures, SignInLimit]] = {}
        self._steps = 0

    @property
    def name(self) -> str:
        return "memory"

    async def reserve(
        self, owner: str, tier: Tier, lease: str, *, charge: int, least: int
    ) -> tuple[Verdict, Reading]:
        ledger = self._ledger(owner, tier)
        verdict = ledger.reserve(tier, lease, self._expiry(ledger), charge=charge, least=least)
        return verdict, ledger.reading()

    async def renew(self, owner: str, tier: Tier, lease: str, *, known: int, used: int) -> Reading:
        ledger = self._ledger(owner, tier)
        ledger.renew(lease, self._expiry(ledger), known=known, used=used)
        return ledger.reading()

    async def settle(self, owner: str, tier: Tier, lease: str, *, known: int, used: int) -> Reading:
        ledger = self._ledger(owner, tier)
        ledger.settle(lease, known=known, used=used)
        return ledger.reading()

    async def read(self, owner: str, tier: Tier) -> Reading:
        return self._ledger(owner, tier).reading()

    async def attempt(self, address: str, limit: SignInLimit) -> tuple[bool, int]:
        failures = self._failures_of(address, limit)
        return failures.attempt(limit), failures.level

    async def forgive(self, address: str, limit: SignInLimit) -> None:
        self._failures_of(address, limit).forgive()

    async def close(self) -> None:
        return None

    @property
    def num_remembered(self) -> int:
        """How many callers and addresses take up memory."""
        return len(self._ledgers) + len(self._failures)

    def _ledger(self, owner: str, tier: Tier) -> Ledger:
        self._sweep_now_and_then()
        ledger, _ = self._ledgers.get(owner) or (Ledger(), tier)
        self._ledgers[owner] = ledger, tier
        ledger.advance(tier, self._clock())
        return ledger

    def _failures_of(self, address: str, limit: SignInLimit) -> Failures:
        self._sweep_now_and_then()
        failures, _ = self._failures.get(address) or (Failures(), limit)
        self._failures[address] = failures, limit
        failures.advance(limit, self._clock())
        return failures

    def _expiry(self, ledger: Ledger) -> int:
        return ledger.at + self._lease_milliseconds

    def _sweep_now_and_then(self) -> None:
        self._steps += 1
        if self._steps % _STEPS_BETWEEN_SWEEPS == 0:
            self._forget_the_blank()

    def _forget_the_blank(self) -> None:
        """Drop whoever owes nothing, so that strangers who never return do not fill the memory."""
        now = self._clock()
        for ledger, tier in self._ledgers.values():
            ledger.advance(tier, now)
        for failures, limit in self._failures.values():
            failures.advance(limit, now)
        self._ledgers = {owner: pair for owner, pair in self._ledgers.items() if not pair[0].is_blank()}
        self._failures = {address: pair for address, pair in self._failures.items() if pair[0].level}
