"""Does a person agree to what a command line asks?"""

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from nemotron_app.accounts.browser.door import Door
from nemotron_app.accounts.browser.visitor import Visitor, Visitors
from nemotron_app.accounts.pages import Pages
from nemotron_app.accounts.scopes import SCOPES
from nemotron_app.accounts.secret import Secret
from nemotron_app.accounts.store.device_codes import DeviceCode, DeviceCodes
from nemotron_app.accounts.store.people import User
from nemotron_app.accounts.throttle import Throttle

_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_UNKNOWN = "No device waits for this code. It may have expired, or was mistyped."


class DeviceRoutes:
    """The verification page of RFC 8628."""

    def __init__(self, codes: DeviceCodes, secret: Secret, throttle: Throttle, pages: Pages) -> None:
        self._codes = codes
        self._secret = secret
        self._throttle = throttle
        self._pages = pages

    async def show(self, visitor: Visitor, user_code: str) -> Response:
        """Ask for the code, or for consent to it: an address with a code in it never consents by itself."""
        if visitor.user is None:
            target = f"/device?user_code={quote(user_code)}" if user_code else "/device"
            return RedirectResponse(f"/signin?next={quote(target, safe='')}", 303)
        code = await self._waiting(visitor.user, user_code) if user_code else None
        return self._pages.show(
            "device",
            user=visitor.user,
            csrf_token=visitor.csrf_token,
            code=code,
            user_code=_tidy(user_code),
            rights=_rights(code),
            problem=_UNKNOWN if user_code and code is None else "",
        )

    async def decide(self, user: User, user_code: str, *, approve: bool) -> Response:
        """Take a person's answer."""
        digest = self._digest(user_code)
        code = await self._waiting(user, user_code)
        if code is None or not await self._codes.decide(digest, user.id, approve=approve):
            return self._message("Nothing was connected", _UNKNOWN, 400)
        if approve:
            return self._message("Device connected", "It has its key now. You can close this page.")
        return self._message("Device refused", "It got no key. You can close this page.")

    async def _waiting(self, user: User, user_code: str) -> DeviceCode | None:
        await self._throttle.attempt(f"device {user.id}")
        code = await self._codes.waiting(self._digest(user_code))
        if code is not None:
            await self._throttle.forgive(f"device {user.id}")
        return code

    def _digest(self, user_code: str) -> str:
        return self._secret.digest("user code", _tidy(user_code))

    def _message(self, heading: str, text: str, status: int = 200) -> Response:
        return self._pages.show("message", status, heading=heading, text=text)


def device_router(routes: DeviceRoutes, visitors: Visitors, door: Door, route: type) -> APIRouter:
    """The verification page."""
    router = APIRouter(route_class=route, include_in_schema=False)

    @router.get("/device")
    async def show(
        request: Request, visitor: Annotated[Visitor, Depends(door.visitor)], user_code: str = ""
    ) -> Response:
        response = await routes.show(visitor, user_code)
        visitors.remember(visitor, request, response)
        return response

    @router.post("/device")
    async def decide(
        user: Annotated[User, Depends(door.changing_person)],
        user_code: Annotated[str, Form()],
        decision: Annotated[str, Form()],
    ) -> Response:
        return await routes.decide(user, user_code, approve=decision == "approve")

    return router


def _tidy(user_code: str) -> str:
    """A code as it was shown, however it was typed."""
    letters = "".join(letter for letter in user_code.upper() if letter in _LETTERS)[:8]
    return f"{letters[:4]}-{letters[4:]}"


def _rights(code: DeviceCode | None) -> Sequence[Any]:
    if code is None:
        return []
    scopes = code.scope.split() or list(SCOPES)
    return [SCOPES[scope] for scope in scopes]
