"""How does a token become a key in the store?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from authlib.oauth2.rfc6750 import BearerTokenGenerator

from nemotron_app.accounts import key_text
from nemotron_app.accounts.identifier import new_id
from nemotron_app.accounts.oauth.client import Client
from nemotron_app.accounts.store.keys import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A key that someone may have: whose it will be, and what it is for."""

    client: Client
    owner: str
    tier: str
    name: str
    scopes: tuple[str, ...] = field(default=())
    models: tuple[str, ...] = ()
    lifetime: timedelta | None = None


class IssuedToken(dict[str, Any]):
    """A token response. Authlib logs it, so it does not print what must not be in a log."""

    def __repr__(self) -> str:
        return f"<token {key_text.redact(str(self.get('access_token')))}>"


class KeyGenerator(BearerTokenGenerator):
    """Authlib's generator of bearer tokens, making keys of ours."""

    def __init__(self, lifetimes: Mapping[str, timedelta]) -> None:
        seconds = {grant: int(lifetime.total_seconds()) for grant, lifetime in lifetimes.items()}
        super().__init__(
            lambda client, grant_type, user, scope: key_text.mint(),
            expires_generator=lambda client, grant_type: seconds.get(grant_type, 0),
        )

    def generate(self, *arguments: Any, **named: Any) -> IssuedToken:
        return IssuedToken(super().generate(*arguments, **named))


def key_of(token: Mapping[str, Any], order: Order, digest: str, now: datetime) -> Key:
    """What the store keeps of an issued token."""
    lifetime = token.get("expires_in")
    return Key(
        id=new_id("key"),
        digest=digest,
        head=key_text.head_of(token["access_token"]),
        tail=key_text.tail_of(token["access_token"]),
        name=order.name,
        owner=order.owner,
        tier=order.tier,
        client_id=order.client.id,
        scopes=tuple(token.get("scope", "").split()),
        models=order.models,
        created=now,
        expires=now + timedelta(seconds=lifetime) if lifetime else None,
    )
