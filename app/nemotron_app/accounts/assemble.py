"""How do the parts of accounts fit together?"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import APIRouter
from redis.asyncio import Redis

from nemotron_app.accounts.address import Origins, is_loopback
from nemotron_app.accounts.authenticator import AccountsAuthenticator
from nemotron_app.accounts.bearer import BearerTokens, Protector
from nemotron_app.accounts.browser.door import Door
from nemotron_app.accounts.browser.same_origin import SameOrigin
from nemotron_app.accounts.browser.session import SessionCookie, session_route
from nemotron_app.accounts.browser.visitor import Visitors, VisitorsParts
from nemotron_app.accounts.errors import Misconfigured
from nemotron_app.accounts.key_ring import KeyRing, KeyRingParts
from nemotron_app.accounts.oauth.server import KeyServer, KeyServerParts
from nemotron_app.accounts.options import AccountsOptions, OAuthProvider, OpenIdProvider
from nemotron_app.accounts.pages import Pages
from nemotron_app.accounts.public_url import PublicUrl
from nemotron_app.accounts.revocation import RedisAnnouncer, SilentAnnouncer
from nemotron_app.accounts.routes.device import DeviceRoutes, device_router
from nemotron_app.accounts.routes.keys import KeyRoutes, keys_router
from nemotron_app.accounts.routes.me import MeRoutes, me_router
from nemotron_app.accounts.routes.oauth import OAuthRoutes, oauth_router
from nemotron_app.accounts.routes.sign_in import SignInRoutes, sign_in_router
from nemotron_app.accounts.routes.usage import UsageRoutes, usage_router
from nemotron_app.accounts.secret import Secret
from nemotron_app.accounts.service import Accounts
from nemotron_app.accounts.session_token import SessionTokens
from nemotron_app.accounts.signin.openid import OpenIdClient
from nemotron_app.accounts.signin.plain_oauth import PlainOAuthClient
from nemotron_app.accounts.store.clients import Services
from nemotron_app.accounts.store.database import Database
from nemotron_app.accounts.store.device_codes import DeviceCodes
from nemotron_app.accounts.store.keys import Keys
from nemotron_app.accounts.store.ledger import Ledger
from nemotron_app.accounts.store.moment import Clock, utc_now
from nemotron_app.accounts.store.people import People
from nemotron_app.accounts.store.sessions import DatabaseSessions, RedisSessions
from nemotron_app.accounts.throttle import MemoryThrottle, Throttle
from nemotron_app.accounts.upkeep import Upkeep, UpkeepParts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What several parts share."""

    options: AccountsOptions
    clock: Clock
    secret: Secret
    database: Database
    redis: Redis | None
    throttle: Throttle
    origins: Origins
    same_origin: SameOrigin
    public_url: PublicUrl
    people: People
    keys: Keys
    codes: DeviceCodes
    services: Services
    tokens: SessionTokens
    announcer: RedisAnnouncer | SilentAnnouncer


def create_accounts(
    options: AccountsOptions, *, throttle: Throttle | None = None, clock: Clock = utc_now
) -> Accounts:
    """Accounts as `options` say. Raises Misconfigured."""
    _check(options)
    parts = _parts(options, throttle or MemoryThrottle(), clock)
    ring = _ring(parts)
    visitors = _visitors(parts)
    in_database = DatabaseSessions(parts.database, clock)
    stored = in_database if parts.redis is None else RedisSessions(parts.redis)
    sessions = SessionCookie(stored, parts.secret, parts.origins, options.session_lifetime)
    ledger = Ledger(parts.database, clock)
    return Accounts(
        routers=_routers(parts, ring, visitors, sessions),
        authenticator=_authenticator(parts, ring),
        ledger=ledger,
        ring=ring,
        database=parts.database,
        tokens=parts.tokens,
        visitors=visitors,
        sessions=sessions,
        services=parts.services,
        secret=parts.secret,
        clock=clock,
        upkeep=_upkeep(parts, ledger, in_database),
    )


def _check(options: AccountsOptions) -> None:
    may_be_single = is_loopback(options.host) or options.may_be_single_user_anywhere
    if options.is_single_user and not may_be_single:
        raise Misconfigured(
            f"no sign-in provider is configured, so whoever reaches {options.host} would be the local user: "
            "configure a provider, listen on 127.0.0.1, or allow a single user anywhere"
        )
    names = [provider.name for provider in options.providers]
    if len(set(names)) != len(names):
        raise Misconfigured("two sign-in providers have the same name")
    for provider in options.providers:
        for url in _addresses(provider):
            if not _is_safe(url):
                raise Misconfigured(
                    f"the sign-in provider {provider.name!r} must be reached by https, not {url!r}"
                )


def _addresses(provider: OpenIdProvider | OAuthProvider) -> Sequence[str]:
    if isinstance(provider, OpenIdProvider):
        return (provider.issuer,)
    return (provider.authorize_url, provider.token_url, provider.profile_url)


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def _parts(options: AccountsOptions, throttle: Throttle, clock: Clock) -> _Parts:
    secret = Secret(options.secret)
    database = Database(options.database_url)
    origins = Origins(options.trusted_proxies)
    redis = Redis.from_url(options.redis_url, decode_responses=True) if options.redis_url else None
    return _Parts(
        options=options,
        clock=clock,
        secret=secret,
        database=database,
        redis=redis,
        throttle=throttle,
        origins=origins,
        same_origin=SameOrigin(options),
        public_url=PublicUrl(options, origins),
        people=People(database, clock),
        keys=Keys(database, clock),
        codes=DeviceCodes(database, clock),
        services=Services(database, clock),
        tokens=SessionTokens(secret, options.public_url or "nemotron-playground", clock),
        announcer=SilentAnnouncer() if redis is None else RedisAnnouncer(redis),
    )


def _ring(parts: _Parts) -> KeyRing:
    return KeyRing(
        KeyRingParts(
            keys=parts.keys,
            secret=parts.secret,
            throttle=parts.throttle,
            announcer=parts.announcer,
            clock=parts.clock,
        )
    )


def _visitors(parts: _Parts) -> Visitors:
    return Visitors(
        VisitorsParts(
            options=parts.options,
            secret=parts.secret,
            people=parts.people,
            origins=parts.origins,
            same_origin=parts.same_origin,
        )
    )


def _authenticator(parts: _Parts, ring: KeyRing) -> AccountsAuthenticator:
    return AccountsAuthenticator(
        Protector(BearerTokens(ring, parts.tokens)),
        parts.origins,
        parts.same_origin,
        is_single_user=parts.options.is_single_user,
    )


def _routers(
    parts: _Parts, ring: KeyRing, visitors: Visitors, sessions: SessionCookie
) -> Sequence[APIRouter]:
    route, door, pages = session_route(sessions), Door(visitors, parts.same_origin), Pages()
    server = _server(parts, ring)
    clients = {provider.name: _client(provider) for provider in parts.options.providers}
    oauth = OAuthRoutes(server, parts.throttle, parts.origins, parts.public_url)
    keys = KeyRoutes(server, ring, parts.clock, parts.options.rotation_grace)
    device = DeviceRoutes(parts.codes, parts.secret, parts.throttle, pages)
    return (
        me_router(MeRoutes(parts.options, visitors, parts.tokens), door, route),
        keys_router(keys, door, route),
        usage_router(UsageRoutes(parts.database, ring, parts.clock), door, route),
        device_router(device, visitors, door, route),
        sign_in_router(SignInRoutes(clients, parts.people, pages, parts.public_url), door, route),
        oauth_router(oauth, parts.tokens),
    )


def _server(parts: _Parts, ring: KeyRing) -> KeyServer:
    return KeyServer(
        KeyServerParts(
            ring=ring,
            services=parts.services,
            codes=parts.codes,
            people=parts.people,
            secret=parts.secret,
            clock=parts.clock,
        )
    )


def _client(provider: OpenIdProvider | OAuthProvider) -> OpenIdClient | PlainOAuthClient:
    return OpenIdClient(provider) if isinstance(provider, OpenIdProvider) else PlainOAuthClient(provider)


def _upkeep(parts: _Parts, ledger: Ledger, sessions: DatabaseSessions) -> Upkeep:
    return Upkeep(
        UpkeepParts(
            database=parts.database,
            ledger=ledger,
            keys=parts.keys,
            people=parts.people,
            sessions=sessions,
            announcer=parts.announcer,
            redis=parts.redis,
        )
    )
