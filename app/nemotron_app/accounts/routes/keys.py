"""How does a person make, see, rename, rotate and revoke their keys? With a session; a key cannot."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from authlib.oauth2.rfc6749 import OAuth2Error
from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import Field

from nemotron_app.accounts.browser.door import Door
from nemotron_app.accounts.key_ring import KeyRing
from nemotron_app.accounts.oauth.client import PAGE
from nemotron_app.accounts.oauth.issue import Order
from nemotron_app.accounts.oauth.server import KeyServer
from nemotron_app.accounts.store.keys import Key
from nemotron_app.accounts.store.moment import Clock
from nemotron_app.accounts.store.people import User
from nemotron_app.errors import BadRequest, NotFound
from nemotron_app.wire.body import body_of
from nemotron_app.wire.fields import Wire

_UNSTORED = {"cache-control": "no-store"}
_Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Model = Annotated[str, Field(min_length=1, max_length=200)]


class KeyBody(Wire):
    """The body of `POST /account/keys`."""

    name: _Name
    scopes: list[str] | None = Field(None, min_length=1, max_length=16, description="All, if left out.")
    models: list[_Model] = Field([], max_length=64, description="Ids of models; none allows all.")
    expires_in_days: int | None = Field(None, ge=1, le=3650, description="Never, if left out.")


class NameBody(Wire):
    """The body of `PATCH /account/keys/{id}`."""

    name: _Name


class RotationBody(Wire):
    """The body of `POST /account/keys/{id}/rotate`."""

    grace_seconds: int | None = Field(None, ge=0, le=7 * 86_400, description="How long the old key goes on.")


class KeyRoutes:
    """A person's keys."""

    def __init__(self, server: KeyServer, ring: KeyRing, clock: Clock, grace: timedelta) -> None:
        self._server = server
        self._ring = ring
        self._clock = clock
        self._grace = grace

    async def list(self, user: User) -> JSONResponse:
        keys = await self._ring.owned(user.id)
        return JSONResponse({"keys": [_shown(key, self._clock()) for key in keys]}, headers=_UNSTORED)

    async def create(self, user: User, body: KeyBody) -> JSONResponse:
        order = Order(
            client=PAGE,
            owner=user.id,
            tier=user.tier,
            name=body.name,
            scopes=tuple(body.scopes or ()),
            models=tuple(body.models),
            lifetime=timedelta(days=body.expires_in_days) if body.expires_in_days else None,
        )
        try:
            text, key = await self._server.issue(order)
        except OAuth2Error as error:
            raise _bad_request(error) from error
        return self._once(text, key)

    async def rename(self, user: User, key_id: str, body: NameBody) -> JSONResponse:
        return self._answer(await self._ring.rename(user.id, key_id, body.name))

    async def revoke(self, user: User, key_id: str) -> JSONResponse:
        return self._answer(await self._ring.revoke(user.id, key_id))

    async def rotate(self, user: User, key_id: str, body: RotationBody) -> JSONResponse:
        old = _named(key_id, await self._ring.owned(user.id))
        lifetime = None if old.expires is None else old.expires - old.created
        order = Order(
            client=PAGE,
            owner=user.id,
            tier=user.tier,
            name=old.name,
            scopes=old.scopes,
            models=old.models,
            lifetime=lifetime,
        )
        text, new = self._server.prepare(order)
        grace = self._grace if body.grace_seconds is None else timedelta(seconds=body.grace_seconds)
        if not await self._ring.replace(old, new, grace):
            raise BadRequest("The key has ended or was rotated before.", code="key_ended")
        return self._once(text, new)

    def _once(self, text: str, key: Key) -> JSONResponse:
        """The one answer that ever holds the whole key."""
        return JSONResponse({"key": text} | _shown(key, self._clock()), 201, _UNSTORED)

    def _answer(self, key: Key | None) -> JSONResponse:
        if key is None:
            raise _no_such_key()
        return JSONResponse(_shown(key, self._clock()), headers=_UNSTORED)


def keys_router(routes: KeyRoutes, door: Door, route: type) -> APIRouter:
    """The routes of the Keys page."""
    router = APIRouter(prefix="/account/keys", route_class=route, include_in_schema=False)

    @router.get("")
    async def list_keys(user: Annotated[User, Depends(door.person)]) -> JSONResponse:
        """All keys, newest first; never the keys themselves."""
        return await routes.list(user)

    @router.post("", status_code=201)
    async def create_key(
        user: Annotated[User, Depends(door.changing_person)],
        body: Annotated[KeyBody, Depends(body_of(KeyBody))],
    ) -> JSONResponse:
        """Make a key; this answer alone shows it."""
        return await routes.create(user, body)

    @router.patch("/{key_id}")
    async def rename_key(
        key_id: str,
        user: Annotated[User, Depends(door.changing_person)],
        body: Annotated[NameBody, Depends(body_of(NameBody))],
    ) -> JSONResponse:
        """Give a key another name."""
        return await routes.rename(user, key_id, body)

    @router.post("/{key_id}/rotate", status_code=201)
    async def rotate_key(
        key_id: str,
        user: Annotated[User, Depends(door.changing_person)],
        body: Annotated[RotationBody, Depends(body_of(RotationBody))],
    ) -> JSONResponse:
        """Make a key that follows this one, which goes on for a while."""
        return await routes.rotate(user, key_id, body)

    @router.delete("/{key_id}")
    async def revoke_key(key_id: str, user: Annotated[User, Depends(door.changing_person)]) -> JSONResponse:
        """End a key."""
        return await routes.revoke(user, key_id)

    return router


def _shown(key: Key, now: datetime) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "head": key.head,
        "tail": key.tail,
        "scopes": list(key.scopes),
        "models": list(key.models),
        "created": key.created.isoformat(),
        "last_used": key.last_used and key.last_used.isoformat(),
        "expires": key.expires and key.expires.isoformat(),
        "successor": key.successor,
        "status": "revoked" if key.revoked else "active" if key.is_active(now) else "expired",
    }


def _named(key_id: str, keys: Sequence[Key]) -> Key:
    for key in keys:
        if key.id == key_id:
            return key
    raise _no_such_key()


def _no_such_key() -> NotFound:
    return NotFound("There is no such key.", code="key_not_found")


def _bad_request(error: OAuth2Error) -> BadRequest:
    param = "scopes" if error.error == "invalid_scope" else None
    return BadRequest(error.get_error_description() or "the key is refused", param=param, code=error.error)
