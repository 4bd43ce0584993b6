"""May this browser see it, and did its person mean to change it? The dependencies of the page's routes."""

import hmac

from starlette.requests import Request

from nemotron_app.accounts.browser.same_origin import SameOrigin
from nemotron_app.accounts.browser.session import session_of
from nemotron_app.accounts.browser.visitor import Visitor, Visitors
from nemotron_app.accounts.errors import not_signed_in
from nemotron_app.accounts.store.people import User
from nemotron_app.errors import Forbidden

_HEADER = "x-csrf-token"
_FIELD = "csrf_token"
_FORM = "application/x-www-form-urlencoded"


class Door:
    """Lets visitors in, people where only people may go, and changes that our own page asked for."""

    def __init__(self, visitors: Visitors, same_origin: SameOrigin) -> None:
        self._visitors = visitors
        self._same_origin = same_origin

    async def visitor(self, request: Request) -> Visitor:
        """Whoever it is."""
        return await self._visitors.visitor(request, session_of(request))

    async def person(self, request: Request) -> User:
        """Whoever is signed in. Raises Unauthenticated."""
        visitor = await self.visitor(request)
        if visitor.user is None:
            raise not_signed_in()
        return visitor.user

    async def changing_visitor(self, request: Request) -> Visitor:
        """Whoever it is, having asked through our own page. Raises Forbidden."""
        visitor = await self.visitor(request)
        token = request.headers.get(_HEADER) or await _form_token(request)
        is_ours = hmac.compare_digest(token.encode(), visitor.csrf_token.encode())
        if not is_ours or visitor.is_new or not self._same_origin.holds(request):
            raise Forbidden("The request does not come from this site's own page.", code="csrf_failed")
        return visitor

    async def changing_person(self, request: Request) -> User:
        """Whoever is signed in, having asked through our own page. Raises Unauthenticated, Forbidden."""
        await self.person(request)
        visitor = await self.changing_visitor(request)
        assert visitor.user is not None
        return visitor.user


async def _form_token(request: Request) -> str:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return ""
    value = (await request.form()).get(_FIELD, "")
    return value if isinstance(value, str) else ""
