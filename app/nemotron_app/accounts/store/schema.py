"""Which tables hold accounts?

No column holds a key, a client's secret, a session id, a prompt or an answer: what must be recognised
again is kept as a keyed digest.
"""

from datetime import date, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from nemotron_app.accounts.store.moment import Moment


class Table(DeclarativeBase):
    """Root of the tables; fixes how Python's types look in the database."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: String(255),
        int: BigInteger(),
        datetime: Moment(),
        dict[str, Any]: JSON(),
        list[str]: JSON(),
    }


class UserRow(Table):
    """A person."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str | None]
    tier: Mapped[str]
    created: Mapped[datetime]


class IdentityRow(Table):
    """How a provider knows a person."""

    __tablename__ = "identities"

    provider: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created: Mapped[datetime]


class SessionRow(Table):
    """What the server remembers of a browser, where no Redis is configured."""

    __tablename__ = "sessions"

    digest: Mapped[str] = mapped_column(primary_key=True)
    data: Mapped[dict[str, Any]]
    expires: Mapped[datetime] = mapped_column(index=True)


class ClientRow(Table):
    """A service that asks for keys with its own credentials."""

    __tablename__ = "clients"

    id: Mapped[str] = mapped_column(primary_key=True)
    secret_digest: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    scopes: Mapped[list[str]]
    tier: Mapped[str]
    may_introspect: Mapped[bool]
    created: Mapped[datetime]
    disabled: Mapped[datetime | None]


class KeyRow(Table):
    """An API key, known by its digest; `head` and `tail` are what its owner may recognise it by."""

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    head: Mapped[str]
    tail: Mapped[str]
    name: Mapped[str]
    owner: Mapped[str] = mapped_column(index=True)
    tier: Mapped[str]
    client_id: Mapped[str]
    scopes: Mapped[list[str]]
    models: Mapped[list[str]]
    created: Mapped[datetime]
    last_used: Mapped[datetime | None]
    expires: Mapped[datetime | None]
    revoked: Mapped[datetime | None]
    successor: Mapped[str | None]


class DeviceCodeRow(Table):
    """A sign-in that a command line started and a browser finishes."""

    __tablename__ = "device_codes"

    digest: Mapped[str] = mapped_column(primary_key=True)
    user_code_digest: Mapped[str] = mapped_column(unique=True)
    client_id: Mapped[str]
    scope: Mapped[str]
    expires: Mapped[datetime] = mapped_column(index=True)
    polled: Mapped[datetime | None]
    user_id: Mapped[str | None]
    is_approved: Mapped[bool | None]
    consumed: Mapped[datetime | None]


class Spending(Table):
    """What both the ledger and its daily sums count."""

    __abstract__ = True

    prompt_tokens: Mapped[int]
    cached_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    reasoning_tokens: Mapped[int]
    forwards: Mapped[int]
    milliseconds: Mapped[int]


class UsageRow(Spending):
    """One request. `instance` is the process that answers it, so that a dead one's rows can be closed."""

    __tablename__ = "usage"
    __table_args__ = (Index("usage_open", "status", "instance"), Index("usage_caller", "caller", "created"))

    id: Mapped[str] = mapped_column(primary_key=True)
    caller: Mapped[str]
    key_id: Mapped[str]
    variant: Mapped[str]
    status: Mapped[str]
    instance: Mapped[str]
    created: Mapped[datetime]
    closed: Mapped[datetime | None]


class DailyUsageRow(Spending):
    """The closed requests of a day, a caller, a key and a variant; `key_id` is empty where none was used."""

    __tablename__ = "usage_daily"

    day: Mapped[date] = mapped_column(primary_key=True)
    caller: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[str] = mapped_column(primary_key=True)
    variant: Mapped[str] = mapped_column(primary_key=True)
    requests: Mapped[int]


class InstanceRow(Table):
    """A process that writes the ledger, and when it was last alive."""

    __tablename__ = "instances"

    id: Mapped[str] = mapped_column(primary_key=True)
    seen: Mapped[datetime]
