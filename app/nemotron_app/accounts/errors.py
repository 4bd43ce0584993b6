"""What can accounts refuse?

GatewayError
├── Unauthenticated      401 no key, or not a good one: one text for all of them
├── Forbidden            403 the key is good, but not for this
├── NotFound             404 no such key
├── TooManyFailures      429 the address sent too many bad credentials
├── SignInRefused        400 a sign-in came back wrong
└── StoreUnavailable     503 the database or Redis does not answer
Misconfigured            the options do not fit together; the program does not start
"""

import logging
import math
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from nemotron_app.errors import Forbidden, GatewayError, Unauthenticated

_log = logging.getLogger(__name__)

REALM = "nemotron-playground"
_BAD_KEY = (
    "The API key is missing, malformed, unknown, expired or revoked. "
    "Send a good one in the header `Authorization: Bearer <key>`."
)


class Misconfigured(Exception):
    """The options do not fit together; the message says which."""


class SignInRefused(GatewayError):
    """A sign-in came back wrong: forged, expired, mixed up or refused by the provider."""

    status = 400
    type = "invalid_request_error"


class TooManyFailures(GatewayError):
    """An address sent too many bad credentials."""

    status = 429
    type = "rate_limit_exceeded"

    def __init__(self, seconds: float) -> None:
        wait = max(1, math.ceil(seconds))
        super().__init__(
            f"Too many bad credentials came from this address. Try again in {wait} seconds.",
            code="too_many_failures",
            headers={"retry-after": str(wait)},
        )


class StoreUnavailable(GatewayError):
    """The database or Redis does not answer, so that nobody can be known; it may be asked again."""

    status = 503


@contextmanager
def translated() -> Generator[None, None, None]:
    """Let the failures of a store rise as StoreUnavailable."""
    try:
        yield
    except (SQLAlchemyError, RedisError, OSError) as error:
        _log.error("the store does not answer: %s", type(error).__name__)
        message = "Accounts cannot be looked up now. Try again in a few seconds."
        raise StoreUnavailable(message, code="store_unavailable", headers={"retry-after": "2"}) from error


def no_credentials() -> Unauthenticated:
    """Nothing was sent to be known by."""
    return _unauthenticated({"www-authenticate": f'Bearer realm="{REALM}"'})


def bad_credentials() -> Unauthenticated:
    """Unknown, malformed, expired and revoked look the same, so that nothing is learnt by trying."""
    return _unauthenticated({"www-authenticate": f'Bearer realm="{REALM}", error="invalid_token"'})


def insufficient_scope(scope: str) -> Forbidden:
    """The key is good, but was not made for this."""
    header = f'Bearer realm="{REALM}", error="insufficient_scope", scope="{scope}"'
    return Forbidden(
        f"This API key does not have the scope {scope!r}.",
        code="insufficient_scope",
        headers={"www-authenticate": header},
    )


def _unauthenticated(headers: Mapping[str, str]) -> Unauthenticated:
    return Unauthenticated(_BAD_KEY, code="invalid_api_key", headers=headers)


def not_signed_in() -> Unauthenticated:
    """The page's own routes know people by their session alone; a key does not open them."""
    return Unauthenticated("Sign in first.", code="not_signed_in")
