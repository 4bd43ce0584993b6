"""What does the server remember of a browser that signs in?

The cookie holds a random id and nothing else; an id that the server did not make is never taken over.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from nemotron_app.accounts.address import Origins
from nemotron_app.accounts.errors import translated
from nemotron_app.accounts.identifier import new_secret
from nemotron_app.accounts.secret import Secret
from nemotron_app.accounts.store.sessions import Sessions

_NAME = "nemotron_session"
_UNTIL_SIGNED_IN = timedelta(hours=1)


@dataclass(slots=True)
class BrowserSession:
    """A browser's data for the length of a request; `id` is empty until there is something to keep."""

    id: str
    data: dict[str, Any]
    stored_id: str
    stored: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def user_id(self) -> str | None:
        return self.data.get("user")

    def sign_in(self, user_id: str, **more: str) -> None:
        """Begin again under a new id, so that whoever knew the old one is left with nothing."""
        self.clear()
        self.data.update(user=user_id, **more)

    def clear(self) -> None:
        """Forget everything, the id too."""
        self.id = ""
        self.data.clear()


class SessionCookie:
    """Opens a session from a request, keeps it, and names it in the response."""

    def __init__(self, sessions: Sessions, secret: Secret, origins: Origins, lifetime: timedelta) -> None:
        self._sessions = sessions
        self._secret = secret
        self._origins = origins
        self._lifetime = lifetime

    async def open(self, request: Request) -> BrowserSession:
        """The session that the cookie names, or an empty one."""
        session_id = request.cookies.get(cookie_name(_NAME, self._origins.is_secure(request)), "")
        data = await self._sessions.read(self._digest(session_id)) if session_id else None
        if data is None:
            return BrowserSession(id="", data={}, stored_id="")
        return BrowserSession(id=session_id, data=data, stored_id=session_id, stored=_copy(data))

    async def keep(self, session: BrowserSession) -> None:
        """Store what changed."""
        if session.stored_id and session.stored_id != session.id:
            await self._sessions.delete(self._digest(session.stored_id))
        if session.data and (session.data != session.stored or not session.id):
            session.id = session.id or new_secret()
            await self._sessions.write(self._digest(session.id), session.data, self._life_of(session))

    def name(self, session: BrowserSession, request: Request, response: Response) -> None:
        """Tell the browser its session's id where it is new, or that there is none any more."""
        is_secure = self._origins.is_secure(request)
        name = cookie_name(_NAME, is_secure)
        if session.id != session.stored_id and session.id:
            age = int(self._life_of(session).total_seconds())
            set_cookie(response, name, session.id, age, is_secure=is_secure)
        elif session.stored_id and not session.id:
            set_cookie(response, name, "", 0, is_secure=is_secure)

    def _life_of(self, session: BrowserSession) -> timedelta:
        return self._lifetime if session.user_id else _UNTIL_SIGNED_IN

    def _digest(self, session_id: str) -> str:
        return self._secret.digest("session", session_id)


def session_route(cookie: SessionCookie) -> type[APIRoute]:
    """A route class whose handlers find the browser's session in `request.state.session`."""

    class SessionRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def handle_with_session(request: Request) -> Response:
                with translated():
                    session = await cookie.open(request)
                    request.state.session = session
                    request.scope["session"] = session.data  # where Authlib's client keeps a sign-in's state
                    try:
                        response = await handle(request)
                    finally:
                        await cookie.keep(session)
                cookie.name(session, request, response)
                return response

            return handle_with_session

    return SessionRoute


def session_of(request: Request) -> BrowserSession:
    """The session of a request that came through `session_route`."""
    session: BrowserSession = request.state.session
    return session


def cookie_name(name: str, is_secure: bool) -> str:
    """Under TLS the browser itself holds the cookie to this host."""
    return f"__Host-{name}" if is_secure else name


def set_cookie(response: Response, name: str, value: str, age: int, *, is_secure: bool) -> None:
    """A cookie that no script reads and no foreign page's form carries."""
    response.set_cookie(name, value, max_age=age, path="/", secure=is_secure, httponly=True, samesite="lax")


def _copy(data: dict[str, Any]) -> dict[str, Any]:
    return {name: dict(value) if isinstance(value, dict) else value for name, value in data.items()}
