"""What does everyone else call to spend a caller's budget?"""

import re
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from nemotron_app.limits.account import refusal_of, sign_in_refusal_of, states_of
from nemotron_app.limits.cost import Cost, checked_use
from nemotron_app.limits.lease import Lease
from nemotron_app.limits.ledger import Verdict
from nemotron_app.limits.state import LimitState
from nemotron_app.limits.store import Store
from nemotron_app.limits.tier import SIGN_IN, SignInLimit, Tier

# A name stands between braces in a Redis key, so it may hold none.
_NAME = re.compile(r"[^\s{}\x00-\x1f\x7f]{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimiterStatus:
    """How limits are kept right now; `reason` says why they are degraded."""

    backend: str
    is_degraded: bool
    reason: str
    num_outages: int


class Limiter(Protocol):
    """Says what a caller may spend. Amounts are weighted tokens."""

    async def reserve(self, owner: str, tier: Tier, cost: Cost) -> Lease:
        """Charge one request and the most it may cost, or nothing. Raises LimitExceeded, LimiterUnavailable.

        A request that is refused costs nothing; one that is admitted and fails costs a request.
        """
        ...

    async def renew(self, lease: Lease, used: int) -> None:
        """Say that the request still runs, and what it has used so far."""
        ...

    async def settle(self, lease: Lease, used: int) -> tuple[LimitState, ...]:
        """Charge what was used instead of what was reserved; zero gives all back. Only the first counts."""
        ...

    async def usage(self, owner: str, tier: Tier) -> tuple[LimitState, ...]:
        """Every limit of a caller. Spends nothing. Raises LimiterUnavailable."""
        ...

    async def attempt_sign_in(self, address: str) -> None:
        """Count a failure of an address, before or after it is known to be one. Raises LimitExceeded."""
        ...

    async def forgive_sign_in(self, address: str) -> None:
        """Take back a failure that turned out to be none."""
        ...

    def status(self) -> LimiterStatus:
        """How limits are kept, without waiting."""
        ...

    async def close(self) -> None:
        """Let go of connections. Open leases expire by themselves."""
        ...


class StoreLimiter:
    """A limiter over one store."""

    def __init__(self, store: Store, *, sign_in: SignInLimit = SIGN_IN) -> None:
        self._store = store
        self._sign_in = sign_in

    async def reserve(self, owner: str, tier: Tier, cost: Cost) -> Lease:
        lease, charge, least = uuid4().hex, cost.most, cost.least
        verdict, reading = await self._store.reserve(_named(owner), tier, lease, charge=charge, least=least)
        if verdict is not Verdict.GRANTED:
            raise refusal_of(verdict, reading, tier, charge)
        states = states_of(reading, tier)
        return Lease(id=lease, owner=owner, tier=tier, charged=charge, reported=least, states=states)

    async def renew(self, lease: Lease, used: int) -> None:
        checked_use(used)
        async with lease.turn:
            if lease.is_open:
                await self._renew(lease, max(lease.reported, used))

    async def settle(self, lease: Lease, used: int) -> tuple[LimitState, ...]:
        checked_use(used)
        async with lease.turn:
            if lease.is_open:
                # Closed before the answer is there: what may have arrived must not be sent again.
                lease.is_open = False
                await self._settle(lease, used)
        return lease.states

    async def usage(self, owner: str, tier: Tier) -> tuple[LimitState, ...]:
        return states_of(await self._store.read(_named(owner), tier), tier)

    async def attempt_sign_in(self, address: str) -> None:
        passed, level = await self._store.attempt(_named(address), self._sign_in)
        if not passed:
            raise sign_in_refusal_of(level, self._sign_in)

    async def forgive_sign_in(self, address: str) -> None:
        await self._store.forgive(_named(address), self._sign_in)

    def status(self) -> LimiterStatus:
        return LimiterStatus(backend=self._store.name, is_degraded=False, reason="", num_outages=0)

    async def close(self) -> None:
        await self._store.close()

    async def _renew(self, lease: Lease, used: int) -> None:
        owner, tier, known = lease.owner, lease.tier, lease.reported
        reading = await self._store.renew(owner, tier, lease.id, known=known, used=used)
        lease.reported, lease.states = used, states_of(reading, tier)

    async def _settle(self, lease: Lease, used: int) -> None:
        owner, tier, known = lease.owner, lease.tier, lease.reported
        reading = await self._store.settle(owner, tier, lease.id, known=known, used=used)
        lease.states = states_of(reading, tier)


def _named(owner: str) -> str:
    if not _NAME.fullmatch(owner):
        raise ValueError(f"an owner is named by 1 to 200 characters without spaces or braces, not {owner!r}")
    return owner
