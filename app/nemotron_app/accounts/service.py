"""What do accounts offer the rest of the program?"""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import HTTPConnection, Request

from nemotron_app.accounts.authenticator import AccountsAuthenticator
from nemotron_app.accounts.browser.session import SessionCookie
from nemotron_app.accounts.browser.visitor import Visitor, Visitors
from nemotron_app.accounts.identifier import new_id, new_secret
from nemotron_app.accounts.key_ring import KeyRing
from nemotron_app.accounts.scopes import SCOPES
from nemotron_app.accounts.secret import Secret
from nemotron_app.accounts.session_token import SessionToken, SessionTokens
from nemotron_app.accounts.store.clients import Service, Services
from nemotron_app.accounts.store.database import Database
from nemotron_app.accounts.store.ledger import Ledger
from nemotron_app.accounts.store.moment import Clock
from nemotron_app.accounts.upkeep import Upkeep


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Users, keys, sign-in and the usage ledger. Start before the first request, close after the last."""

    routers: Sequence[APIRouter]
    authenticator: AccountsAuthenticator
    ledger: Ledger
    ring: KeyRing
    database: Database
    tokens: SessionTokens
    visitors: Visitors
    sessions: SessionCookie
    services: Services
    secret: Secret
    clock: Clock
    upkeep: Upkeep

    async def start(self) -> None:
        """Bring the store up to date and begin its upkeep."""
        await self.upkeep.start()

    async def aclose(self) -> None:
        """End the upkeep and let go of the store."""
        await self.upkeep.aclose()

    async def visitor(self, connection: HTTPConnection) -> Visitor:
        """Who sent a request of the page, told by its cookies."""
        request = Request(connection.scope)
        return await self.visitors.visitor(request, await self.sessions.open(request))

    async def page_token(self, connection: HTTPConnection) -> SessionToken | None:
        """A token with which the page calls the API for whoever sent `connection`; None for no one."""
        visitor = await self.visitor(connection)
        return None if visitor.principal is None else self.tokens.mint(visitor.principal)

    async def add_service(
        self,
        name: str,
        *,
        scopes: Sequence[str] = tuple(SCOPES),
        tier: str = "free",
        may_introspect: bool = False,
    ) -> tuple[str, str]:
        """The id and the secret of a new service, which gets its keys with them."""
        client_id, text = new_id("client"), new_secret()
        service = Service(
            id=client_id,
            secret_digest=self.secret.digest("client", text),
            name=name,
            user_id=None,
            scopes=tuple(scopes),
            tier=tier,
            may_introspect=may_introspect,
            created=self.clock(),
        )
        await self.services.add(service)
        return client_id, text
