"""Who looks at the page?"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from nemotron_app.accounts.address import Origins
from nemotron_app.accounts.browser.guests import Guests
from nemotron_app.accounts.browser.same_origin import SameOrigin
from nemotron_app.accounts.browser.session import BrowserSession, cookie_name, set_cookie
from nemotron_app.accounts.options import AccountsOptions
from nemotron_app.accounts.principal import LOCAL, Principal
from nemotron_app.accounts.scopes import SCOPES
from nemotron_app.accounts.secret import Secret
from nemotron_app.accounts.store.people import LOCAL_USER, People, User

_NAME = "nemotron_visitor"
_YEAR = 365 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """A person at the page: signed in, or a guest. `principal` is None where guests are not let in."""

    user: User | None
    principal: Principal | None
    cookie: str
    is_new: bool
    csrf_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitorsParts:
    """What visitors are told by."""

    options: AccountsOptions
    secret: Secret
    people: People
    origins: Origins
    same_origin: SameOrigin


class Visitors:
    """Knows visitors by their session, or by a signed cookie."""

    def __init__(self, parts: VisitorsParts) -> None:
        self._options = parts.options
        self._secret = parts.secret
        self._people = parts.people
        self._origins = parts.origins
        self._same_origin = parts.same_origin
        self._guests = Guests(parts.secret)

    async def visitor(self, request: Request, session: BrowserSession) -> Visitor:
        """The person at the page."""
        name = cookie_name(_NAME, self._origins.is_secure(request))
        given = request.cookies.get(name, "")
        is_known = self._guests.is_ours(given)
        cookie = given if is_known else self._guests.cookie()
        user = await self._user(request, session)
        return Visitor(
            user=user,
            principal=_principal(user) if user else self._guest(request, cookie),
            cookie=cookie,
            is_new=not is_known,
            csrf_token=self._secret.digest("csrf", f"{cookie}\0{session.id if user else ''}"),
        )

    def remember(self, visitor: Visitor, request: Request, response: Response) -> None:
        """Give a new browser its cookie."""
        if visitor.is_new:
            is_secure = self._origins.is_secure(request)
            set_cookie(response, cookie_name(_NAME, is_secure), visitor.cookie, _YEAR, is_secure=is_secure)

    async def _user(self, request: Request, session: BrowserSession) -> User | None:
        if self._options.is_single_user:
            return LOCAL_USER if self._same_origin.holds(request) else None
        return await self._people.find(session.user_id) if session.user_id else None

    def _guest(self, request: Request, cookie: str) -> Principal | None:
        if not self._options.has_guests or self._options.is_single_user:
            return None
        return self._guests.principal(cookie, self._origins.address(request))


def _principal(user: User) -> Principal:
    if user == LOCAL_USER:
        return LOCAL
    return Principal(id=user.id, is_anonymous=False, tier=user.tier, scopes=tuple(SCOPES))
