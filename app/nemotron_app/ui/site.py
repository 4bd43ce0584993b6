"""Where does the page find the API, and in whose name does it call?

VisitorError
├── SignedOut        nobody is signed in, and guests are not let in
└── Unidentifiable   who looks at the page cannot be found out right now
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import HTTPConnection


class VisitorError(Exception):
    """The API cannot be called in the name of whoever looks at the page."""


class SignedOut(VisitorError):
    """Nobody is signed in, and guests are not let in."""


class Unidentifiable(VisitorError):
    """Who looks at the page cannot be found out right now; the message says why."""


# A fresh bearer token for whoever sent a request of the page. Raises VisitorError.
Identify = Callable[[HTTPConnection], Awaitable[str]]


async def anyone(connection: HTTPConnection) -> str:
    """What a server without accounts takes from everyone."""
    return "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the page must be told; everything else it asks the API for.

    `api_url` is the server's own address on the loopback, without `/v1`.
    """

    api_url: str
    version: str = ""
    identify: Identify = anyone
