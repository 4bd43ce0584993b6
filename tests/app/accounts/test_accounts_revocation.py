"""How soon does every process know that a key has ended?"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from redis.asyncio import Redis

from nemotron_app.accounts import key_text
from nemotron_app.accounts.key_ring import KeyRing, KeyRingParts
from nemotron_app.accounts.revocation import Announcer, RedisAnnouncer, SilentAnnouncer
from nemotron_app.accounts.secret import Secret
from nemotron_app.accounts.store import Database
from nemotron_app.accounts.store.keys import Key, Keys
from nemotron_app.accounts.throttle import MemoryThrottle

_SECRET = Secret("a secret that is long enough for every test")
_TEXT = key_text.mint()
_KEY = Key(
    id="key_1",
    digest=_SECRET.digest("key", _TEXT),
    head=key_text.head_of(_TEXT),
    tail=key_text.tail_of(_TEXT),
    name="laptop",
    owner="user_1",
    tier="free",
    client_id="page",
    scopes=("chat",),
    models=(),
    created=datetime(2026, 3, 1, tzinfo=UTC),
)


class CountedKeys(Keys):
    """A store that counts how often it is asked, and can be held."""

    def __init__(self, database: Database, clock: Any) -> None:
        super().__init__(database, clock)
        self.num_found = 0
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def find(self, digest: str) -> Key | None:
        self.num_found += 1
        key = await super().find(digest)
        self.asked.set()
        await self.may_answer.wait()
        return key


@dataclass
class Process:
    """A gateway's view of the keys."""

    ring: KeyRing
    keys: CountedKeys
    now: list[float]

    async def is_good(self) -> bool:
        credential = await self.ring.find(_TEXT, "192.0.2.1")
        return credential is not None and not credential.is_revoked() and not credential.is_expired()


MakeProcess = Callable[..., Process]


@pytest.fixture
async def make_process(database: Database, clock: Any) -> MakeProcess:
    def make(announcer: Announcer | None = None) -> Process:
        keys, now = CountedKeys(database, clock), [0.0]
        parts = KeyRingParts(
            keys=keys,
            secret=_SECRET,
            throttle=MemoryThrottle(),
            announcer=announcer or SilentAnnouncer(),
            clock=clock,
            timer=lambda: now[0],
        )
        return Process(KeyRing(parts), keys, now)

    await Keys(database, clock).add(_KEY)
    return make


async def test_a_key_is_looked_up_once_in_two_seconds(make_process: MakeProcess) -> None:
    process = make_process()
    assert all([await process.is_good() for _ in range(50)])
    assert process.keys.num_found == 1
    process.now[0] = 2.0
    assert await process.is_good()
    assert process.keys.num_found == 2


async def test_requests_that_come_together_ask_once(make_process: MakeProcess) -> None:
    process = make_process()
    assert all(await asyncio.gather(*(process.is_good() for _ in range(50))))
    assert process.keys.num_found == 1


async def test_the_process_that_revokes_knows_at_once(make_process: MakeProcess) -> None:
    process = make_process()
    assert await process.is_good()
    await process.ring.revoke("user_1", "key_1")
    assert not await process.is_good()


async def test_a_look_up_under_way_does_not_bring_the_key_back(make_process: MakeProcess) -> None:
    process = make_process()
    process.keys.may_answer.clear()
    asking = asyncio.create_task(process.is_good())
    await process.keys.asked.wait()
    await process.ring.revoke("user_1", "key_1")
    process.keys.may_answer.set()
    await asking
    assert not await process.is_good()


async def test_without_redis_others_know_within_two_seconds(make_process: MakeProcess) -> None:
    here, there = make_process(), make_process()
    assert await there.is_good()
    await here.ring.revoke("user_1", "key_1")
    there.now[0] = 1.99
    assert await there.is_good()
    there.now[0] = 2.0
    assert not await there.is_good()


async def test_a_rotated_keys_new_end_is_known(make_process: MakeProcess, clock: Any) -> None:
    here, there = make_process(), make_process()
    assert await there.is_good()
    new = replace(_KEY, id="key_2", digest="other")
    await here.ring.replace(_KEY, new, grace=datetime(2026, 3, 1, 13, tzinfo=UTC) - clock())
    clock.move(hours=1)
    there.now[0] = 2.0
    assert not await there.is_good()


@pytest.fixture
async def announcers(redis_url: str) -> AsyncIterator[tuple[RedisAnnouncer, RedisAnnouncer]]:
    redises = [Redis.from_url(redis_url, decode_responses=True) for _ in range(2)]
    here, there = (RedisAnnouncer(redis) for redis in redises)
    for announcer in (here, there):
        await announcer.start()
        await announcer.subscribed()
    yield here, there
    for announcer in (here, there):
        await announcer.aclose()
    for redis in redises:
        await redis.aclose()


async def test_through_redis_others_know_at_once(
    make_process: MakeProcess, announcers: tuple[RedisAnnouncer, RedisAnnouncer]
) -> None:
    here, there = (make_process(announcer) for announcer in announcers)
    heard = asyncio.Event()
    announcers[1].listen(lambda digest: heard.set())
    assert await there.is_good()
    await here.ring.revoke("user_1", "key_1")
    await asyncio.wait_for(heard.wait(), 10)
    assert not await there.is_good()


async def test_without_redis_running_a_revocation_still_succeeds(
    make_process: MakeProcess, caplog: pytest.LogCaptureFixture
) -> None:
    redis = Redis.from_url("redis://127.0.0.1:1", decode_responses=True)
    process = make_process(RedisAnnouncer(redis))
    assert await process.is_good()
    await process.ring.revoke("user_1", "key_1")
    assert not await process.is_good()
    assert "ended key late" in caplog.text
    await redis.aclose()


async def test_what_was_no_key_is_not_asked_again(make_process: MakeProcess) -> None:
    process = make_process()
    stranger = key_text.mint()
    for _ in range(5):
        assert await process.ring.find(stranger, "192.0.2.1") is None
    assert process.keys.num_found == 1
