"""How is one request paid from all of its caller's budgets?"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nemotron_app.budget import Budget, tightest
from nemotron_app.limits import Cost, Keeper, Lease, Limiter, LimitState, Patience, limit_headers

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """What was set aside for one request: a lease of each budget."""

    leases: Sequence[Lease]
    cost: Cost

    @property
    def headers(self) -> dict[str, str]:
        """The caller's limits as they stand."""
        is_degraded = any(lease.degraded for lease in self.leases)
        return limit_headers(tightest([lease.states for lease in self.leases]), degraded=is_degraded)


class Cashier:
    """Reserves, keeps and settles."""

    def __init__(self, limiter: Limiter, patience: Patience, keeper: Keeper) -> None:
        self._limiter = limiter
        self._patience = patience
        self._keeper = keeper
        self._was_degraded = False

    @property
    def is_degraded(self) -> bool:
        """Whether limits are not kept as they should be."""
        return self._limiter.status().is_degraded

    async def reserve(self, budgets: Sequence[Budget], cost: Cost) -> Payment:
        """Set the most that it may cost aside in each budget, or in none. Raises what the limiter raises."""
        leases: list[Lease] = []
        try:
            for budget in budgets:
                lease = await self._patience.reserve(budget.owner, budget.tier, cost)
                leases.append(lease)
        except BaseException:
            for lease in leases:
                await self._keeper.settle(lease, 0)
            raise
        finally:
            self._note_outage()
        return Payment(leases=leases, cost=cost)

    def keep(self, payment: Payment, tokens: Callable[[], int]) -> None:
        """Let the payment stand while its request runs; `tokens` tells what it has used so far."""
        for lease in payment.leases:
            self._keeper.keep(lease, lambda: payment.cost.of(tokens()))

    async def settle(self, payment: Payment, tokens: int) -> None:
        """Charge what was used."""
        for lease in payment.leases:
            await self._keeper.settle(lease, payment.cost.of(tokens))

    async def states(self, budgets: Sequence[Budget]) -> tuple[LimitState, ...]:
        """Every limit of a caller. Raises LimiterUnavailable."""
        return tightest([await self._limiter.usage(budget.owner, budget.tier) for budget in budgets])

    def _note_outage(self) -> None:
        status = self._limiter.status()
        if status.is_degraded != self._was_degraded:
            self._was_degraded = status.is_degraded
            _log.warning("limits are kept by %s now: %s", status.backend, status.reason or "all is well")
