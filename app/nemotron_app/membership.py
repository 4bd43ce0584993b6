"""Who may come in, and what may they spend, as the settings say?"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from nemotron_app.account_settings import accounts_for, start
from nemotron_app.accounts import Accounts
from nemotron_app.books import Books
from nemotron_app.budget import Budgets
from nemotron_app.cashier import Cashier
from nemotron_app.limit_metrics import LimitMetrics
from nemotron_app.limits import (
    FairQueue,
    Keeper,
    Limiter,
    LimiterSettings,
    Patience,
    QueueBounds,
    limiter_for,
)
from nemotron_app.metered import Metered, MeteredParts
from nemotron_app.settings import Settings
from nemotron_app.shared_throttle import SharedThrottle
from nemotron_backend.catalog import Catalog

# Of one caller: more would only be refused later.
_MOST_PATIENT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Accounts and limits, and the meter that charges them."""

    accounts: Accounts
    limiter: Limiter
    keeper: Keeper
    queue: FairQueue
    budgets: Budgets
    books: Books
    cashier: Cashier
    meter: Metered

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Everything up, in order; and down again in the other, once the last request is written down."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.accounts.aclose)
            await start(self.accounts)
            stack.push_async_callback(self.limiter.close)
            await stack.enter_async_context(self.books)
            await stack.enter_async_context(self.keeper)
            stack.push_async_callback(self.meter.drain)
            yield


def create_membership(settings: Settings, catalog: Catalog, metrics: LimitMetrics) -> Membership:
    """Accounts and limits. Raises Misconfigured."""
    limiter = limiter_for(_limiter_settings(settings))
    accounts = accounts_for(settings, SharedThrottle(limiter))
    # A third of the lease time forgives one lost renewal.
    interval = settings.lease_seconds / 3
    keeper = Keeper(limiter, interval=interval)
    patience = Patience(limiter, seconds=settings.limit_patience_seconds, waiting=_MOST_PATIENT)
    cashier, queue = Cashier(limiter, patience, keeper), FairQueue(_bounds(settings))
    budgets, books = Budgets(settings.tiers), Books(accounts.ledger, interval=interval)
    meter = Metered(
        MeteredParts(
            catalog=catalog, budgets=budgets, cashier=cashier, queue=queue, books=books, metrics=metrics
        )
    )
    return Membership(
        accounts=accounts,
        limiter=limiter,
        keeper=keeper,
        queue=queue,
        budgets=budgets,
        books=books,
        cashier=cashier,
        meter=meter,
    )


def _limiter_settings(settings: Settings) -> LimiterSettings:
    return LimiterSettings(
        redis_url=settings.redis_url,
        when_redis_is_down=settings.when_redis_is_down,
        replicas=settings.replicas,
        lease_seconds=settings.lease_seconds,
        patience_seconds=settings.redis_seconds,
    )


def _bounds(settings: Settings) -> QueueBounds:
    return QueueBounds(
        slots=settings.max_running,
        waiting=settings.queue_waiting,
        # How many of one caller wait is bounded already, by what it may have in flight.
        waiting_per_owner=settings.queue_waiting,
        seconds=settings.queue_seconds,
    )
