"""Do accounts start, run and fail as a whole?"""

from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from nemotron_app.accounts import Entry
from nemotron_app.accounts.store.ledger import DEAD_AFTER


async def test_a_start_closes_what_a_dead_process_left_open(make_site: Any, clock: Any) -> None:
    dead = await make_site()
    await dead.accounts.ledger.open(Entry(id="req_1", caller="local", variant="v", prompt_tokens=8))
    clock.move(seconds=DEAD_AFTER.total_seconds())
    site = await make_site()
    (day,) = (await (await site.browser()).get("/account/usage")).json()["days"]
    assert (day["requests"], day["prompt_tokens"]) == (1, 8)


async def test_a_process_that_beats_keeps_its_rows(make_site: Any, clock: Any) -> None:
    first = await make_site()
    await first.accounts.ledger.open(Entry(id="req_1", caller="local", variant="v"))
    for _ in range(8):
        clock.move(seconds=DEAD_AFTER.total_seconds() / 2)
        await first.accounts.upkeep.beat()
    site = await make_site()
    assert (await (await site.browser()).get("/account/usage")).json()["days"] == []


async def test_what_is_over_is_dropped(site: Any, clock: Any) -> None:
    browser = await site.browser("Ada")
    await site.new_key(browser, expires_in_days=1)
    kept = await site.new_key(browser)
    clock.move(days=40)
    await site.accounts.upkeep.clean()
    async with site.accounts.database.reading() as session:
        assert (await session.scalars(text("SELECT count(*) FROM sessions"))).one() == 0
        assert (await session.scalars(text("SELECT tail FROM keys"))).all() == [kept[-4:]]


async def test_with_redis_sessions_and_revocations_go_through_it(
    make_site: Any, provider: Any, redis_url: str
) -> None:
    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        await redis.flushdb()
        here, there = [await make_site(providers=(provider,), redis_url=redis_url) for _ in range(2)]
        browser = await here.browser("Ada")
        assert len(await redis.keys("session:*")) == 1
        assert browser.cookies["nemotron_session"] not in str(await redis.keys("*"))
        # The session is good at either process, as its cookie shows.
        elsewhere = await there.client(cookies=dict(browser.cookies))
        assert (await elsewhere.get("/account/me")).json()["user"]["name"] == "Ada"
        await browser.post("/account/sign-out")
        assert await redis.keys("session:*") == []
        assert (await elsewhere.get("/account/me")).json()["user"] is None


@pytest.fixture
async def doomed(make_site: Any, provider: Any, postgres: str) -> Any:
    """A site whose database goes away when `drop()` is called."""
    url = make_url(f"{postgres}/postgres").set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")

    async def run(statement: str) -> None:
        async with engine.connect() as connection:
            await connection.execute(text(statement))

    await run("CREATE DATABASE doomed")
    site = await make_site(providers=(provider,), database_url=f"{postgres}/doomed")
    yield site, lambda: run("DROP DATABASE doomed WITH (FORCE)")
    await run("DROP DATABASE IF EXISTS doomed WITH (FORCE)")
    await engine.dispose()


async def test_without_its_database_nobody_is_let_in_by_mistake(doomed: Any) -> None:
    site, drop = doomed
    browser = await site.browser("Ada")
    key = await site.new_key(browser)
    service = await site.accounts.add_service("batch")
    await drop()
    program = await site.client(headers={"authorization": f"Bearer {key}"})
    form = {"grant_type": "client_credentials"}
    answers = [
        await program.get("/v1/models"),
        await browser.get("/account/me"),
        await browser.get("/account/keys"),
        await program.post("/oauth/token", data=form, auth=service),
    ]
    for answer in answers:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert answer.json()["error"]["code"] == "store_unavailable"
        assert "doomed" not in answer.text
