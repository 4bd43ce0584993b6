"""Who am I, as the page asks it?"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from nemotron_app.accounts.browser.door import Door
from nemotron_app.accounts.browser.visitor import Visitor, Visitors
from nemotron_app.accounts.errors import not_signed_in
from nemotron_app.accounts.options import AccountsOptions
from nemotron_app.accounts.scopes import SCOPES
from nemotron_app.accounts.session_token import SessionTokens
from nemotron_app.accounts.store.people import User

_UNSTORED = {"cache-control": "no-store"}


class MeRoutes:
    """What the page needs to know before it shows anything."""

    def __init__(self, options: AccountsOptions, visitors: Visitors, tokens: SessionTokens) -> None:
        self._options = options
        self._visitors = visitors
        self._tokens = tokens

    def me(self, request: Request, visitor: Visitor) -> JSONResponse:
        """The visitor, the ways to sign in, and the token that changes must carry in `X-CSRF-Token`."""
        providers = [
            {"name": provider.name, "title": provider.title, "url": f"/signin/{provider.name}"}
            for provider in self._options.providers
        ]
        body = {
            "user": _user(visitor.user) if visitor.user else None,
            "is_guest": visitor.principal is not None and visitor.principal.is_anonymous,
            "is_single_user": self._options.is_single_user,
            "tier": visitor.principal.tier if visitor.principal else None,
            "csrf_token": visitor.csrf_token,
            "providers": providers,
            "scopes": [{"name": name, "title": title} for name, title in SCOPES.items()],
        }
        response = JSONResponse(body, headers=_UNSTORED)
        self._visitors.remember(visitor, request, response)
        return response

    def token(self, visitor: Visitor) -> JSONResponse:
        """A token with which the page calls the API in the visitor's name."""
        if visitor.principal is None:
            raise not_signed_in()
        token = self._tokens.mint(visitor.principal)
        return JSONResponse({"token": token.text, "expires": token.expires.isoformat()}, headers=_UNSTORED)


def me_router(routes: MeRoutes, door: Door, route: type) -> APIRouter:
    """The visitor's routes."""
    router = APIRouter(route_class=route, include_in_schema=False)

    @router.get("/account/me")
    async def me(request: Request, visitor: Annotated[Visitor, Depends(door.visitor)]) -> JSONResponse:
        """Who looks at the page."""
        return routes.me(request, visitor)

    @router.post("/account/token")
    async def token(visitor: Annotated[Visitor, Depends(door.changing_visitor)]) -> JSONResponse:
        """A token for the API, good for five minutes."""
        return routes.token(visitor)

    return router


def _user(user: User) -> dict[str, Any]:
    return {"id": user.id, "name": user.name, "email": user.email}
