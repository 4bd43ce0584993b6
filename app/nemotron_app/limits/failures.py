"""How many failed sign-ins does an address have to its name?"""

from dataclasses import dataclass

from nemotron_app.limits.ledger import UNIT
from nemotron_app.limits.tier import SignInLimit


@dataclass(slots=True)
class Failures:
    """The bucket of `ledger`, once more, for one address."""

    at: int = 0
    level: int = 0

    def advance(self, limit: SignInLimit, now: int) -> None:
        """Let time pass. A clock that jumps back lets none pass."""
        self.level = max(0, self.level - max(0, now - self.at) * limit.per_minute)
        self.at = now

    def attempt(self, limit: SignInLimit) -> bool:
        """Take one, if there is one."""
        has_room = self.level + UNIT <= limit.burst * UNIT
        self.level += UNIT if has_room else 0
        return has_room

    def forgive(self) -> None:
        """Give one back."""
        self.level = max(0, self.level - UNIT)
