"""What may a caller spend while the shared store is away?

`local`: signed-in callers go on under this process's share of their limits, counted in memory; guests are
refused. `closed`: everyone is refused. Either way nobody is let through uncounted.

A share starts afresh with each outage's first use of it and is not carried back to the store: over an
outage a caller may spend at most one more bucket and one more day's quota, all replicas together.
A settlement that could not be delivered is not repeated, since it may have arrived; the lease then ends
by expiry at what was last reported.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Literal, TypeVar

from nemotron_app.limits.breaker import Breaker
from nemotron_app.limits.cost import Cost
from nemotron_app.limits.errors import LimiterUnavailable, LimitExceeded, StoreUnavailable
from nemotron_app.limits.lease import Lease
from nemotron_app.limits.limiter import Limiter, LimiterStatus
from nemotron_app.limits.state import LimitState
from nemotron_app.limits.tier import Tier

WhenDown = Literal["local", "closed"]

T = TypeVar("T")


class OutageLimiter:
    """A shared limiter, with a local one to stand in for it."""

    def __init__(
        self, shared: Limiter, local: Limiter, *, breaker: Breaker, replicas: int, when_down: WhenDown
    ) -> None:
        self._shared = shared
        self._local = local
        self._breaker = breaker
        self._replicas = replicas
        self._when_down = when_down

    async def reserve(self, owner: str, tier: Tier, cost: Cost) -> Lease:
        try:
            return await self._ask(lambda: self._shared.reserve(owner, tier, cost))
        except StoreUnavailable as outage:
            lease = await self._local.reserve(owner, self._share(tier, outage), cost)
            lease.degraded = True
            return lease

    async def renew(self, lease: Lease, used: int) -> None:
        if lease.degraded:
            await self._local.renew(lease, used)
            return
        try:
            await self._ask(lambda: self._shared.renew(lease, used))
        except StoreUnavailable:
            return  # the next renewal says the same and more

    async def settle(self, lease: Lease, used: int) -> tuple[LimitState, ...]:
        if lease.degraded:
            return await self._local.settle(lease, used)
        try:
            return await self._ask(lambda: self._shared.settle(lease, used))
        except StoreUnavailable:
            return lease.states

    async def usage(self, owner: str, tier: Tier) -> tuple[LimitState, ...]:
        try:
            return await self._ask(lambda: self._shared.usage(owner, tier))
        except StoreUnavailable as outage:
            return await self._local.usage(owner, self._share(tier, outage))

    async def attempt_sign_in(self, address: str) -> None:
        try:
            await self._ask(lambda: self._shared.attempt_sign_in(address))
        except StoreUnavailable as outage:
            self._refuse_if_closed(outage)
            await self._local.attempt_sign_in(address)

    async def forgive_sign_in(self, address: str) -> None:
        try:
            await self._ask(lambda: self._shared.forgive_sign_in(address))
        except StoreUnavailable:
            await self._local.forgive_sign_in(address)

    def status(self) -> LimiterStatus:
        stand_in = replace(self._local.status(), is_degraded=True, reason=self._breaker.reason)
        status = stand_in if self._breaker.is_failing else self._shared.status()
        return replace(status, num_outages=self._breaker.num_openings)

    async def close(self) -> None:
        await self._shared.close()
        await self._local.close()

    async def _ask(self, call: Callable[[], Awaitable[T]]) -> T:
        if not self._breaker.allows():
            raise StoreUnavailable(self._breaker.reason)
        try:
            answer = await call()
        except StoreUnavailable as outage:
            self._breaker.failed(str(outage))
            raise
        except LimitExceeded:
            self._breaker.succeeded()
            raise
        self._breaker.succeeded()
        return answer

    def _share(self, tier: Tier, outage: StoreUnavailable) -> Tier:
        self._refuse_if_closed(outage)
        if not tier.survives_outage:
            message = "Limits are kept by each server alone now, which is for signed-in callers only."
            raise LimiterUnavailable(message, retry_after=outage.retry_after) from outage
        return tier.share(self._replicas)

    def _refuse_if_closed(self, outage: StoreUnavailable) -> None:
        if self._when_down == "closed":
            message = "Limits cannot be checked now, so no request is taken."
            raise LimiterUnavailable(message, retry_after=outage.retry_after) from outage
