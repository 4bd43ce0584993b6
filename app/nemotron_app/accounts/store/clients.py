"""Which services may ask for keys with credentials of their own?"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from nemotron_app.accounts.store.database import Database
from nemotron_app.accounts.store.moment import Clock
from nemotron_app.accounts.store.schema import ClientRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A client with a secret. What it spends is its own, or its user's where it has one."""

    id: str
    secret_digest: str
    name: str
    user_id: str | None
    scopes: tuple[str, ...]
    tier: str
    may_introspect: bool
    created: datetime
    disabled: datetime | None = None

    @property
    def owner(self) -> str:
        return self.user_id or self.id


class Services:
    """Services by id."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, service: Service) -> None:
        values = {field.name: getattr(service, field.name) for field in fields(service)}
        async with self._database.writing.begin() as session:
            session.add(ClientRow(**values | {"scopes": list(service.scopes)}))

    async def find(self, client_id: str) -> Service | None:
        """The service, unless it is disabled."""
        async with self._database.reading() as session:
            row = await session.get(ClientRow, client_id)
            return _service(row) if row is not None and row.disabled is None else None

    async def owned(self, user_id: str) -> Sequence[Service]:
        query = select(ClientRow).where(ClientRow.user_id == user_id, ClientRow.disabled.is_(None))
        async with self._database.reading() as session:
            return [_service(row) for row in await session.scalars(query.order_by(ClientRow.created))]

    async def disable(self, user_id: str, client_id: str) -> bool:
        chosen = (ClientRow.id == client_id, ClientRow.user_id == user_id, ClientRow.disabled.is_(None))
        statement = update(ClientRow).where(*chosen).values(disabled=self._clock()).returning(ClientRow.id)
        async with self._database.writing.begin() as session:
            return (await session.execute(statement)).first() is not None


def _service(row: ClientRow) -> Service:
    values: dict[str, Any] = {field.name: getattr(row, field.name) for field in fields(Service)}
    values["scopes"] = tuple(row.scopes)
    return Service(**values)
