"""Where are the books of all callers kept?"""

from typing import Protocol

from nemotron_app.limits.ledger import Reading, Verdict
from nemotron_app.limits.tier import SignInLimit, Tier


class Store(Protocol):
    """Keeps a ledger a caller. Each method is one atomic step. All may raise StoreUnavailable.

    `known` is the use of a lease that the store has acknowledged before: should the store have forgotten
    the lease, it goes on from there.
    """

    @property
    def name(self) -> str:
        """What it is, for people: `redis` or `memory`."""
        ...

    async def reserve(
        self, owner: str, tier: Tier, lease: str, *, charge: int, least: int
    ) -> tuple[Verdict, Reading]:
        """Charge and write down a lease, or do nothing."""
        ...

    async def renew(self, owner: str, tier: Tier, lease: str, *, known: int, used: int) -> Reading:
        """Keep a lease alive, and remember what it has used."""
        ...

    async def settle(self, owner: str, tier: Tier, lease: str, *, known: int, used: int) -> Reading:
        """End a lease, and charge what it has used."""
        ...

    async def read(self, owner: str, tier: Tier) -> Reading:
        """Look, and spend nothing."""
        ...

    async def attempt(self, address: str, limit: SignInLimit) -> tuple[bool, int]:
        """Take one attempt to sign in if there is one; the level of the bucket after it."""
        ...

    async def forgive(self, address: str, limit: SignInLimit) -> None:
        """Give one attempt back."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
