"""What may a caller spend, and when is it their turn?

`limiter_for` gives the `Limiter`: `reserve` before a request, `settle` after it, `usage` to look. A
`Keeper` renews the leases of requests that run, a `FairQueue` hands out the engines' slots, and
`limit_headers` tells the caller.
"""

from nemotron_app.limits.assemble import LimiterSettings, limiter_for
from nemotron_app.limits.cost import Cost
from nemotron_app.limits.errors import (
    InvalidAmount,
    LimitError,
    LimiterUnavailable,
    LimitExceeded,
    QueueFull,
)
from nemotron_app.limits.fair_queue import FairQueue, Place, QueueBounds, Ticket
from nemotron_app.limits.headers import EXPOSED, limit_headers, refusal_headers, unavailable_headers
from nemotron_app.limits.keeper import Keeper
from nemotron_app.limits.lease import Lease
from nemotron_app.limits.limiter import Limiter, LimiterStatus
from nemotron_app.limits.patience import Patience
from nemotron_app.limits.state import LimitName, LimitState
from nemotron_app.limits.tier import TIERS, Tier
from nemotron_app.limits.weights import price_list, weight_of

__all__ = [
    "EXPOSED",
    "TIERS",
    "Cost",
    "FairQueue",
    "InvalidAmount",
    "Keeper",
    "Lease",
    "LimitError",
    "LimitExceeded",
    "LimitName",
    "LimitState",
    "Limiter",
    "LimiterSettings",
    "LimiterStatus",
    "LimiterUnavailable",
    "Patience",
    "Place",
    "QueueBounds",
    "QueueFull",
    "Ticket",
    "Tier",
    "limit_headers",
    "limiter_for",
    "price_list",
    "refusal_headers",
    "unavailable_headers",
    "weight_of",
]
