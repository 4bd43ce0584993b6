"""What was set aside for one request?"""

import asyncio
from dataclasses import dataclass, field

from nemotron_app.limits.state import LimitState
from nemotron_app.limits.tier import Tier


@dataclass(slots=True, kw_only=True)
class Lease:
    """A reservation. It ends when it is settled, or by itself when nobody renews it.

    `tier` holds the limits it was granted under. `reported` is the use that the store was last told,
    and what an orphan is charged. `states` are the caller's limits after the latest step; `degraded`
    says that this process granted it alone. Limiters write these, everyone else reads them.
    """

    id: str
    owner: str
    tier: Tier
    charged: int
    reported: int
    states: tuple[LimitState, ...]
    degraded: bool = False
    is_open: bool = True
    # A renewal that overtook the settlement would bring the lease back to life.
    turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
