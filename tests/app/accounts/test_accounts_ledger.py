"""Is every request counted once, whatever dies?"""

import asyncio
import os
import sys
from datetime import date
from typing import Any

from nemotron_app.accounts.store import Database
from nemotron_app.accounts.store.ledger import DEAD_AFTER, Entry, Ledger, Spent
from nemotron_app.accounts.store.moment import utc_now
from nemotron_app.accounts.store.usage import DailyUsage, usage_since

_ENTRY = Entry(id="req_1", caller="user_1", variant="m:full:bf16:autoregressive", key_id="key_1")
_SPENT = Spent(
    prompt_tokens=10,
    cached_tokens=4,
    completion_tokens=20,
    reasoning_tokens=5,
    forwards=19,
    milliseconds=900,
)
_DAY = date(2026, 3, 1)


async def test_a_request_is_added_to_its_day(database: Database, clock: Any) -> None:
    ledger = Ledger(database, clock)
    assert await ledger.open(_ENTRY)
    assert await usage_since(database, "user_1", _DAY) == []
    assert await ledger.close("req_1", _SPENT, "done")
    expected = DailyUsage(
        day=_DAY,
        variant=_ENTRY.variant,
        key_id="key_1",
        requests=1,
        prompt_tokens=10,
        cached_tokens=4,
        completion_tokens=20,
        reasoning_tokens=5,
        forwards=19,
        milliseconds=900,
    )
    assert await usage_since(database, "user_1", _DAY) == [expected]
    assert await usage_since(database, "user_2", _DAY) == []


async def test_one_id_counts_once(database: Database, clock: Any) -> None:
    ledger = Ledger(database, clock)
    openings = await asyncio.gather(*(ledger.open(_ENTRY) for _ in range(4)))
    assert sorted(openings) == [False, False, False, True]
    closings = await asyncio.gather(*(ledger.close("req_1", _SPENT, "done") for _ in range(8)))
    assert sum(closings) == 1
    assert [day.requests for day in await usage_since(database, "user_1", _DAY)] == [1]


async def test_requests_of_a_day_add_up(database: Database, clock: Any) -> None:
    ledger = Ledger(database, clock)

    async def run(number: int) -> None:
        entry = Entry(id=f"req_{number}", caller="user_1", variant="v")
        await ledger.open(entry)
        await ledger.close(entry.id, _SPENT, "done")

    await asyncio.gather(*(run(number) for number in range(25)))
    (day,) = await usage_since(database, "user_1", _DAY)
    assert (day.requests, day.prompt_tokens, day.completion_tokens) == (25, 250, 500)


async def test_what_was_never_opened_is_not_closed(database: Database, clock: Any) -> None:
    assert not await Ledger(database, clock).close("req_9", _SPENT, "done")


async def test_the_rows_of_a_living_process_stay_open(database: Database, clock: Any) -> None:
    ledger, other = Ledger(database, clock), Ledger(database, clock)
    await ledger.beat()
    await ledger.open(_ENTRY)
    assert await other.close_orphans() == 0
    assert await ledger.close("req_1", _SPENT, "done")


async def test_the_rows_of_a_silent_process_are_closed_at_what_is_known(
    database: Database, clock: Any
) -> None:
    ledger, other = Ledger(database, clock), Ledger(database, clock)
    await ledger.beat()
    await ledger.open(_ENTRY)
    await ledger.progress("req_1", Spent(prompt_tokens=10, completion_tokens=7))
    clock.move(seconds=DEAD_AFTER.total_seconds())
    await other.beat()
    closed = await asyncio.gather(other.close_orphans(), other.close_orphans())
    assert sum(closed) == 1
    assert not await ledger.close("req_1", _SPENT, "done")
    (day,) = await usage_since(database, "user_1", _DAY)
    assert (day.requests, day.prompt_tokens, day.completion_tokens) == (1, 10, 7)


_VICTIM = """
import asyncio, os, sys
from nemotron_app.accounts.store import Database, utc_now
from nemotron_app.accounts.store.ledger import Entry, Ledger, Spent

async def main():
    ledger = Ledger(Database(sys.argv[1]), utc_now)
    await ledger.beat()
    await ledger.open(Entry(id="answered", caller="user_1", variant="v"))
    await ledger.close("answered", Spent(completion_tokens=3), "done")
    await ledger.open(Entry(id="midway", caller="user_1", variant="v", prompt_tokens=8))
    print("ready", flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


async def test_a_killed_process_loses_no_request(database: Database, database_url: str, clock: Any) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _VICTIM, database_url]
    victim = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment)
    assert victim.stdout is not None
    assert await victim.stdout.readline() == b"ready\n"
    victim.kill()
    await victim.wait()
    later = utc_now() + DEAD_AFTER
    assert await Ledger(database, lambda: later).close_orphans() == 1
    (day,) = await usage_since(database, "user_1", _DAY)
    assert (day.requests, day.completion_tokens, day.prompt_tokens) == (2, 3, 8)
