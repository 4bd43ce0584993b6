"""Which choices does whoever runs the server have about accounts?"""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdProvider:
    """A provider of OpenID Connect, found by its issuer's discovery document."""

    name: str
    title: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = "openid profile email"


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthProvider:
    """A provider of OAuth 2.0 alone: who signed in is read from a JSON document about them."""

    name: str
    title: str
    authorize_url: str
    token_url: str
    profile_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str
    subject_field: str = "id"
    name_fields: tuple[str, ...] = ("name", "login")


Provider = OpenIdProvider | OAuthProvider


def github(client_id: str, client_secret: str) -> OAuthProvider:
    """GitHub, which has no OpenID Connect for people."""
    return OAuthProvider(
        name="github",
        title="GitHub",
        authorize_url="https://github.com/login/oauth/authorize",
        token_url="https://github.com/login/oauth/access_token",
        profile_url="https://api.github.com/user",
        client_id=client_id,
        client_secret=client_secret,
        scope="read:user",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsOptions:
    """Everything that accounts can be told.

    `secret` seeds the pepper of keys, the signing of tokens and cookies; who changes it ends all of them.
    `public_url` is where browsers find the server; without it each request's own address is believed.
    """

    database_url: str = field(repr=False)
    secret: str = field(repr=False)
    host: str = "127.0.0.1"
    public_url: str | None = None
    providers: tuple[Provider, ...] = ()
    may_be_single_user_anywhere: bool = False
    has_guests: bool = True
    trusted_proxies: tuple[str, ...] = ()
    redis_url: str | None = field(default=None, repr=False)
    session_lifetime: timedelta = timedelta(days=14)
    rotation_grace: timedelta = timedelta(hours=24)

    @property
    def is_single_user(self) -> bool:
        """Without a provider nobody can sign in, so everyone is the one local user."""
        return not self.providers
