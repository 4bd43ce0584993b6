"""How does a browser sign in, and out?"""

import logging
from collections.abc import Mapping
from urllib.parse import quote

import httpx2
from authlib.common.errors import AuthlibBaseError
from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from joserfc.errors import JoseError

from nemotron_app.accounts.browser.door import Door
from nemotron_app.accounts.browser.redirect import safe_path
from nemotron_app.accounts.browser.session import session_of
from nemotron_app.accounts.errors import SignInRefused
from nemotron_app.accounts.pages import Pages
from nemotron_app.accounts.public_url import PublicUrl
from nemotron_app.accounts.signin.openid import OpenIdClient
from nemotron_app.accounts.signin.plain_oauth import PlainOAuthClient
from nemotron_app.accounts.store.people import People
from nemotron_app.errors import NotFound

Client = OpenIdClient | PlainOAuthClient

_NEXT = "next"
# A provider that answers with anything but JSON of the right shape raises ValueError or KeyError.
_REFUSALS = (AuthlibBaseError, JoseError, SignInRefused, ValueError, KeyError)
_log = logging.getLogger(__name__)


class SignInRoutes:
    """Sends people to their provider and takes them back."""

    def __init__(
        self, clients: Mapping[str, Client], people: People, pages: Pages, public_url: PublicUrl
    ) -> None:
        self._clients = clients
        self._people = people
        self._pages = pages
        self._public_url = public_url

    async def choose(self, next: str = "/") -> Response:  # noqa: A002 - the name that the address has
        """Show the providers."""
        query = f"?next={quote(safe_path(next), safe='')}"
        providers = [
            {"title": client.provider.title, "url": f"/signin/{name}{query}"}
            for name, client in self._clients.items()
        ]
        return self._pages.show("sign_in", providers=providers)

    async def begin(self, request: Request, provider: str, next: str = "/") -> Response:  # noqa: A002
        """Go to the provider."""
        client = self._client(provider)
        session_of(request).data[_NEXT] = safe_path(next)
        try:
            response: Response = await client.authorize_redirect(request, self._callback(request, provider))
        except (*_REFUSALS, httpx2.HTTPError) as error:
            return self._refuse(client, error)
        return response

    async def finish(self, request: Request, provider: str) -> Response:
        """Come back from the provider."""
        client = self._client(provider)
        session = session_of(request)
        target = safe_path(session.data.get(_NEXT))
        try:
            identity, id_token = await client.identify(request)
        except (*_REFUSALS, httpx2.HTTPError) as error:
            return self._refuse(client, error)
        user = await self._people.sign_in(identity)
        session.sign_in(user.id, provider=provider, id_token=id_token)
        return RedirectResponse(target, 303)

    async def sign_out(self, request: Request) -> Response:
        """Forget the browser here, then let its provider do the same."""
        session = session_of(request)
        client = self._clients.get(session.data.get("provider", ""))
        id_token = session.data.get("id_token")
        session.clear()
        if not isinstance(client, OpenIdClient) or not id_token:
            return RedirectResponse("/", 303)
        return await self._leave(request, client, id_token)

    async def signed_out(self, request: Request, provider: str) -> Response:
        """Come back from the provider's sign-out."""
        client = self._client(provider)
        try:
            await client.validate_logout_response(request)
        except AuthlibBaseError as error:
            return self._refuse(client, error)
        session_of(request).clear()
        return RedirectResponse("/", 303)

    async def _leave(self, request: Request, client: OpenIdClient, id_token: str) -> Response:
        name = client.provider.name
        back = f"{self._public_url.base(request)}/signin/{name}/signed-out"
        try:
            if "end_session_endpoint" not in await client.load_server_metadata():
                return RedirectResponse("/", 303)
            response: Response = await client.logout_redirect(
                request, post_logout_redirect_uri=back, id_token_hint=id_token
            )
        except (SignInRefused, httpx2.HTTPError):
            # The person is signed out here whether or not the provider can be told.
            return RedirectResponse("/", 303)
        return response

    def _client(self, name: str) -> Client:
        if name not in self._clients:
            raise NotFound("There is no such provider.")
        return self._clients[name]

    def _callback(self, request: Request, provider: str) -> str:
        return f"{self._public_url.base(request)}/signin/{provider}/callback"

    def _refuse(self, client: Client, error: Exception) -> Response:
        """What went wrong in words of ours: the provider's may hold whatever an attacker put there."""
        _log.warning("a sign-in with %s failed: %s", client.provider.name, type(error).__name__)
        is_away = isinstance(error, httpx2.HTTPError)
        title = client.provider.title
        failed = f"The sign-in with {title} did not succeed. Start it again from the sign-in page."
        text = f"{title} does not answer. Try again later." if is_away else failed
        return self._pages.show("message", 502 if is_away else 400, heading="Not signed in", text=text)


def sign_in_router(routes: SignInRoutes, door: Door, route: type) -> APIRouter:
    """The sign-in routes."""
    router = APIRouter(route_class=route, include_in_schema=False)
    router.get("/signin")(routes.choose)
    router.get("/signin/{provider}")(routes.begin)
    router.get("/signin/{provider}/callback")(routes.finish)
    router.get("/signin/{provider}/signed-out")(routes.signed_out)
    router.post("/account/sign-out", dependencies=[Depends(door.changing_visitor)])(routes.sign_out)
    return router
