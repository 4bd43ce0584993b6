"""Does the store keep its promises, on SQLite and on PostgreSQL?"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from nemotron_app.accounts.store import Clock, Database
from nemotron_app.accounts.store.device_codes import DeviceCode, DeviceCodes
from nemotron_app.accounts.store.keys import Key, Keys
from nemotron_app.accounts.store.people import Identity, People
from nemotron_app.accounts.store.schema import Table

_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_KEY = Key(
    id="key_1",
    digest="d1",
    head="npg_abcd",
    tail="wxyz",
    name="laptop",
    owner="user_1",
    tier="free",
    client_id="page",
    scopes=("chat", "models:read"),
    models=(),
    created=_NOW,
)


async def test_several_processes_may_start_at_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(6)]
    await asyncio.gather(*(database.start() for database in databases))
    async with databases[0].reading() as session:
        assert (await session.scalars(text("SELECT version_num FROM alembic_version"))).all() == ["0001"]
    await asyncio.gather(*(database.aclose() for database in databases))


async def test_a_second_start_changes_nothing(database: Database, clock: Clock) -> None:
    await Keys(database, clock).add(_KEY)
    await database.start()
    assert await Keys(database, clock).find("d1") == _KEY


async def test_the_migrations_make_the_schema(database: Database) -> None:
    def differences(connection: Connection) -> object:
        return compare_metadata(MigrationContext.configure(connection), Table.metadata)

    async with database.reading() as session:
        assert await (await session.connection()).run_sync(differences) == []


async def test_a_key_comes_back_as_it_went_in(database: Database, clock: Clock) -> None:
    keys = Keys(database, clock)
    key = replace(_KEY, models=("nemotron", "other"), expires=_NOW + timedelta(days=1, microseconds=5))
    await keys.add(key)
    assert await keys.find("d1") == key
    assert await keys.owned("user_1") == [key]
    assert await keys.owned("user_2") == []


async def test_only_its_owner_changes_a_key(database: Database, clock: Clock) -> None:
    keys = Keys(database, clock)
    await keys.add(_KEY)
    assert await keys.rename("user_2", "key_1", "mine") is None
    assert await keys.revoke("user_2", "key_1") is None
    assert await keys.find("d1") == _KEY


async def test_the_moment_of_revocation_stands(database: Database, clock: Any) -> None:
    keys = Keys(database, clock)
    await keys.add(_KEY)
    first = await keys.revoke("user_1", "key_1")
    clock.move(hours=1)
    assert await keys.revoke("user_1", "key_1") == first
    assert first is not None
    assert not first.is_active(clock())


async def test_rotation_leaves_the_old_key_a_grace(database: Database, clock: Any) -> None:
    keys = Keys(database, clock)
    await keys.add(_KEY)
    assert await keys.replace(_KEY, replace(_KEY, id="key_2", digest="d2"), timedelta(hours=1))
    old = await keys.find("d1")
    assert old is not None
    assert old.successor == "key_2"
    assert old.is_active(clock())
    clock.move(hours=1)
    assert not old.is_active(clock())


async def test_rotation_never_lengthens_a_key(database: Database, clock: Clock) -> None:
    keys = Keys(database, clock)
    short = replace(_KEY, expires=_NOW + timedelta(minutes=1))
    await keys.add(short)
    assert await keys.replace(short, replace(_KEY, id="key_2", digest="d2"), timedelta(hours=1))
    old = await keys.find("d1")
    assert old is not None
    assert old.expires == short.expires


async def test_of_two_rotations_at_once_one_wins(database: Database, clock: Clock) -> None:
    keys = Keys(database, clock)
    await keys.add(_KEY)
    rotations = [
        keys.replace(_KEY, replace(_KEY, id=f"key_{n}", digest=f"d{n}"), timedelta(hours=1)) for n in (2, 3)
    ]
    assert sorted(await asyncio.gather(*rotations)) == [False, True]
    assert len(await keys.owned("user_1")) == 2


async def test_the_last_use_is_kept_to_the_minute(database: Database, clock: Any) -> None:
    keys = Keys(database, clock)
    await keys.add(_KEY)
    await keys.touch(_KEY)
    used = await keys.find("d1")
    assert used is not None
    assert used.last_used == _NOW
    clock.move(seconds=59)
    await keys.touch(used)
    assert (await keys.owned("user_1"))[0].last_used == _NOW
    clock.move(seconds=2)
    await keys.touch(used)
    assert (await keys.owned("user_1"))[0].last_used == clock()


async def test_one_identity_is_one_user_even_at_once(database: Database, clock: Clock) -> None:
    people = People(database, clock)
    identity = Identity(provider="op", subject="42", name="Ada", email="ada@example.org")
    users = await asyncio.gather(*(people.sign_in(identity) for _ in range(4)))
    assert len({user.id for user in users}) == 1
    renamed = await people.sign_in(replace(identity, name="Ada L."))
    assert renamed.id == users[0].id
    assert await people.find(renamed.id) == renamed


async def test_the_same_subject_elsewhere_is_someone_else(database: Database, clock: Clock) -> None:
    people = People(database, clock)
    ada = Identity(provider="op", subject="42", name="Ada", email="ada@example.org")
    assert (await people.sign_in(ada)).id != (await people.sign_in(replace(ada, provider="other"))).id


@pytest.fixture
async def code(database: Database, clock: Clock) -> DeviceCode:
    code = DeviceCode(
        digest="d",
        user_code_digest="u",
        client_id="cli",
        scope="chat",
        expires=_NOW + timedelta(minutes=10),
    )
    await DeviceCodes(database, clock).add(code)
    return code


async def test_a_device_code_is_decided_once(database: Database, clock: Clock, code: DeviceCode) -> None:
    codes = DeviceCodes(database, clock)
    assert await codes.waiting("u") == code
    assert await codes.decide("u", "user_1", approve=True)
    assert not await codes.decide("u", "user_2", approve=False)
    assert await codes.waiting("u") is None
    assert await codes.find("d") == replace(code, user_id="user_1", is_approved=True)


async def test_a_device_code_gives_one_key(database: Database, clock: Clock, code: DeviceCode) -> None:
    codes = DeviceCodes(database, clock)
    assert sorted(await asyncio.gather(codes.consume("d"), codes.consume("d"))) == [False, True]
    assert await codes.find("d") is None


async def test_an_expired_code_waits_for_nobody(database: Database, clock: Any, code: DeviceCode) -> None:
    codes = DeviceCodes(database, clock)
    clock.move(minutes=11)
    assert await codes.waiting("u") is None
    assert not await codes.decide("u", "user_1", approve=True)


async def test_asking_too_often_is_noticed(database: Database, clock: Any, code: DeviceCode) -> None:
    codes = DeviceCodes(database, clock)
    interval = timedelta(seconds=5)
    assert not await codes.polled("d", interval)
    assert await codes.polled("d", interval)
    clock.move(seconds=6)
    assert not await codes.polled("d", interval)
