"""How do all servers together count the bad credentials of an address?"""

from nemotron_app.accounts.errors import TooManyFailures
from nemotron_app.limits import Limiter, LimitExceeded


class SharedThrottle:
    """The accounts' throttle, kept where the limits are."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter

    async def attempt(self, address: str) -> None:
        """Raises TooManyFailures, LimiterUnavailable."""
        try:
            await self._limiter.attempt_sign_in(_name(address))
        except LimitExceeded as refusal:
            raise TooManyFailures(refusal.retry_after or 1.0) from refusal

    async def forgive(self, address: str) -> None:
        await self._limiter.forgive_sign_in(_name(address))


def _name(address: str) -> str:
    """As the limiter names owners: without spaces."""
    return address.replace(" ", ":")
