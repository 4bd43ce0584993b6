"""Where is a call charged?

`reserve` stands before the engine starts and may refuse; `settle` stands after it has ended, however
it ended, and is told what was really made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from nemotron_app.caller import Caller
from nemotron_app.tally import Tally
from nemotron_app.wire.asked import Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What was set aside for one call; `headers` go out with the answer."""

    id: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Meter(Protocol):
    """Says what a caller may spend."""

    async def reserve(self, caller: Caller, asked: Asked) -> Lease:
        """Set aside what the call may cost at most. Raises a GatewayError with status 429."""
        ...

    async def settle(self, lease: Lease, tally: Tally) -> None:
        """Replace what was set aside by what was made."""
        ...


class Unmetered:
    """Lets everyone spend as they like."""

    async def reserve(self, caller: Caller, asked: Asked) -> Lease:
        return Lease(id=asked.id)

    async def settle(self, lease: Lease, tally: Tally) -> None:
        return None
