"""From which budgets is a caller's request paid?

Everyone has one of their own. A guest's is a cookie that can be thrown away, so guests also pay from their
network's, which holds four guests' worth: who collects cookies gains no more than that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nemotron_app.accounts.principal import Principal
from nemotron_app.limits.state import LimitState
from nemotron_app.limits.tier import FREE, GUEST, TIERS, Tier
from nemotron_app.setting_values import TierChange, TierName

_GUESTS_OF_A_NETWORK = 4
_NETWORK = replace(
    GUEST,
    name="network",
    requests_per_minute=_GUESTS_OF_A_NETWORK * GUEST.requests_per_minute,
    burst=_GUESTS_OF_A_NETWORK * GUEST.burst,
    tokens_per_minute=_GUESTS_OF_A_NETWORK * GUEST.tokens_per_minute,
    tokens_per_day=_GUESTS_OF_A_NETWORK * GUEST.tokens_per_day,
    in_flight=_GUESTS_OF_A_NETWORK * GUEST.in_flight,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Who pays, and how much they have."""

    owner: str
    tier: Tier


class Budgets:
    """The budgets of every caller."""

    def __init__(self, changes: Mapping[TierName, TierChange]) -> None:
        tiers = {**TIERS, _NETWORK.name: _NETWORK}
        self.tiers = {name: _changed(tier, changes) for name, tier in tiers.items()}

    def of(self, caller: Principal) -> Sequence[Budget]:
        """The caller's own budget first. A tier that no longer exists counts as the free one."""
        own = Budget(owner=caller.id, tier=self.tiers.get(caller.tier, self.tiers[FREE.name]))
        if not caller.network:
            return (own,)
        return (own, Budget(owner=caller.network, tier=self.tiers[_NETWORK.name]))


def tightest(readings: Sequence[Sequence[LimitState]]) -> tuple[LimitState, ...]:
    """Of each limit the state with the least left, which is the one that a caller will meet first."""
    return tuple(min(states, key=lambda state: state.remaining) for states in zip(*readings, strict=True))


def _changed(tier: Tier, changes: Mapping[TierName, TierChange]) -> Tier:
    by_name = {str(name): change for name, change in changes.items()}
    change = by_name.get(tier.name, TierChange())
    values: Mapping[str, Any] = change.model_dump(exclude_none=True)
    return replace(tier, **values)
