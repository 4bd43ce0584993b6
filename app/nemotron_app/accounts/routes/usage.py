"""What did a person use?"""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse, Response

from nemotron_app.accounts.browser.door import Door
from nemotron_app.accounts.key_ring import KeyRing
from nemotron_app.accounts.store.database import Database
from nemotron_app.accounts.store.moment import Clock
from nemotron_app.accounts.store.people import User
from nemotron_app.accounts.store.usage import DailyUsage, usage_since

_UNSTORED = {"cache-control": "no-store"}
_Days = Annotated[int, Query(ge=1, le=366, description="How many days back, today included.")]


class UsageRoutes:
    """A person's days."""

    def __init__(self, database: Database, ring: KeyRing, clock: Clock) -> None:
        self._database = database
        self._ring = ring
        self._clock = clock

    async def days(self, user: User, num_days: int) -> Sequence[DailyUsage]:
        first = self._clock().date() - timedelta(days=num_days - 1)
        return await usage_since(self._database, user.id, first)

    async def key_names(self, user: User) -> dict[str, str]:
        return {key.id: key.name for key in await self._ring.owned(user.id)}


def usage_router(routes: UsageRoutes, door: Door, route: type) -> APIRouter:
    """The routes of the Usage page."""
    router = APIRouter(prefix="/account", route_class=route, include_in_schema=False)

    @router.get("/usage")
    async def usage(user: Annotated[User, Depends(door.person)], days: _Days = 30) -> JSONResponse:
        """Sums by day, variant and key."""
        rows = [asdict(row) | {"day": row.day.isoformat()} for row in await routes.days(user, days)]
        return JSONResponse({"days": rows, "key_names": await routes.key_names(user)}, headers=_UNSTORED)

    @router.get("/usage.csv")
    async def usage_csv(user: Annotated[User, Depends(door.person)], days: _Days = 30) -> Response:
        """The same as a table."""
        text = _table(await routes.days(user, days), await routes.key_names(user))
        headers = _UNSTORED | {"content-disposition": 'attachment; filename="usage.csv"'}
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)

    return router


def _table(rows: Sequence[DailyUsage], names: dict[str, str]) -> str:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow([*(field.name for field in fields(DailyUsage)), "key_name"])
    for row in rows:
        writer.writerow([*asdict(row).values(), _inert(names.get(row.key_id, ""))])
    return file.getvalue()


def _inert(text: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
