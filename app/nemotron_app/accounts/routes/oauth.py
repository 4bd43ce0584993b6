"""Where do programs get, check and give back keys?"""

from collections.abc import Awaitable, Callable
from functools import partial

from authlib.oauth2.rfc6749 import OAuth2Error
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from nemotron_app.accounts.address import Origins
from nemotron_app.accounts.errors import translated
from nemotron_app.accounts.oauth.metadata import metadata_at
from nemotron_app.accounts.oauth.request import FormRequest, read_request
from nemotron_app.accounts.oauth.server import KeyServer, Reply
from nemotron_app.accounts.public_url import PublicUrl
from nemotron_app.accounts.session_token import SessionTokens
from nemotron_app.accounts.throttle import Throttle

_UNSTORED = {"cache-control": "no-store", "pragma": "no-cache"}
_GUESSES = ("invalid_client",)


class OAuthRoutes:
    """Hands forms to the authorization server, and its replies back."""

    def __init__(
        self, server: KeyServer, throttle: Throttle, origins: Origins, public_url: PublicUrl
    ) -> None:
        self._server = server
        self._throttle = throttle
        self._origins = origins
        self._public_url = public_url

    async def token(self, request: Request) -> JSONResponse:
        """Exchange a client's credentials, or a device code, for an API key."""
        return await self._answer(request, self._server.token)

    async def device_authorization(self, request: Request) -> JSONResponse:
        """Begin a sign-in on a device without a browser (RFC 8628)."""
        return await self._answer(request, partial(self._device_authorization, request))

    async def revoke(self, request: Request) -> JSONResponse:
        """End a key (RFC 7009)."""
        return await self._answer(request, partial(self._server.endpoint, "revocation"))

    async def introspect(self, request: Request) -> JSONResponse:
        """Ask what a key is good for (RFC 7662)."""
        return await self._answer(request, partial(self._server.endpoint, "introspection"))

    async def metadata(self, request: Request) -> JSONResponse:
        """Where everything is (RFC 8414)."""
        return JSONResponse(metadata_at(self._public_url.base(request)))

    async def _device_authorization(self, request: Request, form: FormRequest) -> Reply:
        return await self._server.device_authorization(form, self._public_url.base(request))

    async def _answer(self, request: Request, act: Callable[[FormRequest], Awaitable[Reply]]) -> JSONResponse:
        address = str(self._origins.address(request))
        await self._throttle.attempt(address)
        uri = f"{self._public_url.base(request)}{request.url.path}"
        try:
            with translated():
                reply = await act(await read_request(request, uri))
        except OAuth2Error as error:
            reply = self._server.handle_response(*error())
        if reply.body.get("error") not in _GUESSES:
            await self._throttle.forgive(address)
        return JSONResponse(reply.body, reply.status, reply.headers | _UNSTORED)


def oauth_router(routes: OAuthRoutes, tokens: SessionTokens) -> APIRouter:
    """The authorization server's routes."""
    router = APIRouter(include_in_schema=False)
    router.post("/oauth/token")(routes.token)
    router.post("/oauth/device_authorization")(routes.device_authorization)
    router.post("/oauth/revoke")(routes.revoke)
    router.post("/oauth/introspect")(routes.introspect)
    router.get("/.well-known/oauth-authorization-server")(routes.metadata)

    @router.get("/oauth/jwks")
    async def jwks() -> JSONResponse:
        """The keys that the page's session tokens are signed with."""
        return JSONResponse(tokens.public_keys())

    return router
