"""Who are the people, and how do providers know them?"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from nemotron_app.accounts.identifier import new_id
from nemotron_app.accounts.store.database import Database
from nemotron_app.accounts.store.moment import Clock
from nemotron_app.accounts.store.schema import IdentityRow, UserRow


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person."""

    id: str
    name: str
    email: str | None
    tier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A person as a provider described them at sign-in."""

    provider: str
    subject: str
    name: str
    email: str | None


LOCAL_USER = User(id="local", name="Local user", email=None, tier="local")


class People:
    """Users by id and by identity."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def find(self, user_id: str) -> User | None:
        async with self._database.reading() as session:
            row = await session.get(UserRow, user_id)
            return None if row is None else _user(row)

    async def sign_in(self, identity: Identity) -> User:
        """The user behind an identity, made at their first sign-in and refreshed at each."""
        try:
            return await self._sign_in(identity)
        except IntegrityError:
            # Two first sign-ins of one person at once: the other one has made the user by now.
            return await self._sign_in(identity)

    async def ensure(self, user: User) -> None:
        """A user that the program itself defines."""
        async with self._database.writing.begin() as session:
            if await session.get(UserRow, user.id) is None:
                session.add(self._row(user))

    async def _sign_in(self, identity: Identity) -> User:
        async with self._database.writing.begin() as session:
            known = await session.get(IdentityRow, (identity.provider, identity.subject))
            if known is None:
                user = User(id=new_id("user"), name=identity.name, email=identity.email, tier="free")
                session.add(self._row(user))
                await session.flush()
                session.add(self._identity_row(identity, user))
                return user
            row = (await session.scalars(select(UserRow).where(UserRow.id == known.user_id))).one()
            row.name, row.email = identity.name, identity.email
            return _user(row)

    def _row(self, user: User) -> UserRow:
        return UserRow(id=user.id, name=user.name, email=user.email, tier=user.tier, created=self._clock())

    def _identity_row(self, identity: Identity, user: User) -> IdentityRow:
        return IdentityRow(
            provider=identity.provider, subject=identity.subject, user_id=user.id, created=self._clock()
        )


def _user(row: UserRow) -> User:
    return User(id=row.id, name=row.name, email=row.email, tier=row.tier)
