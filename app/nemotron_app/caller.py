"""Who sends a request, and who may say so?"""

from dataclasses import dataclass
from typing import Protocol

from starlette.requests import HTTPConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The party that a request is answered for and charged to. `id` is safe to log."""

    id: str
    is_anonymous: bool


ANONYMOUS = Caller(id="anonymous", is_anonymous=True)


class Authenticator(Protocol):
    """Tells the caller from the head of a request, before any of its body is read."""

    async def authenticate(self, connection: HTTPConnection) -> Caller:
        """The caller. Raises GatewayError and what the limits raise."""
        ...


class Open:
    """Takes everyone in, unnamed."""

    async def authenticate(self, connection: HTTPConnection) -> Caller:
        return ANONYMOUS
