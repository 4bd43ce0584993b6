"""Does the ledger hear of every request, also when its database is away for a moment?"""

import asyncio
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from nemotron_app.accounts import Entry, Spent
from nemotron_app.accounts.errors import StoreUnavailable
from nemotron_app.accounts.store.ledger import Status
from nemotron_app.books import Books

ENTRY = Entry(id="req_1", caller="user_ada", variant="v")
SPENT = Spent(prompt_tokens=3, completion_tokens=4)


class Flaky:
    """A ledger whose database can be away."""

    def __init__(self) -> None:
        self.is_away = False
        self.told: list[tuple[str, str, Any]] = []

    async def open(self, entry: Entry) -> bool:
        return self._tell("open", entry.id, None)

    async def progress(self, request_id: str, spent: Spent) -> None:
        self._tell("progress", request_id, spent)

    async def close(self, request_id: str, spent: Spent, status: Status) -> bool:
        return self._tell("close", request_id, (spent, status))

    def _tell(self, what: str, request_id: str, more: Any) -> bool:
        if self.is_away:
            raise OperationalError("statement", {}, Exception("gone"))
        self.told.append((what, request_id, more))
        return True


@pytest.fixture
def ledger() -> Flaky:
    return Flaky()


@pytest.fixture
def books(ledger: Any) -> Books:
    return Books(ledger, interval=1.0)


async def test_a_request_that_cannot_be_entered_does_not_run(books: Books, ledger: Flaky) -> None:
    ledger.is_away = True
    with pytest.raises(StoreUnavailable):
        await books.open(ENTRY, lambda: SPENT)


async def test_a_cost_that_cannot_be_written_is_written_later(books: Books, ledger: Flaky) -> None:
    await books.open(ENTRY, lambda: SPENT)
    ledger.is_away = True
    await books.close("req_1", "done")
    await books.catch_up()
    ledger.is_away = False
    for _ in range(2):
        await books.catch_up()
    assert ledger.told == [("open", "req_1", None), ("close", "req_1", (SPENT, "done"))]


async def test_leaving_writes_what_is_due(books: Books, ledger: Flaky) -> None:
    async with books:
        await books.open(ENTRY, lambda: SPENT)
        ledger.is_away = True
        await books.close("req_1", "aborted")
        ledger.is_away = False
    assert ledger.told[-1] == ("close", "req_1", (SPENT, "aborted"))


async def test_what_runs_tells_its_cost_so_far(ledger: Any) -> None:
    ticks: asyncio.Queue[None] = asyncio.Queue()
    rests: asyncio.Queue[None] = asyncio.Queue()

    async def sleep(seconds: float) -> None:
        rests.put_nowait(None)
        await ticks.get()

    spent = [Spent(completion_tokens=1), Spent(completion_tokens=2)]
    async with Books(ledger, interval=1.0, sleep=sleep) as books:
        await books.open(ENTRY, lambda: spent.pop(0))
        for _ in range(2):
            await rests.get()
            ticks.put_nowait(None)
        await rests.get()
        spent.append(SPENT)
        await books.close("req_1", "done")
    numbers = [more.completion_tokens for what, _, more in ledger.told if what == "progress"]
    assert numbers == [1, 2]


async def test_what_was_never_entered_is_not_closed(books: Books, ledger: Flaky) -> None:
    await books.close("req_9", "done")
    assert ledger.told == []
