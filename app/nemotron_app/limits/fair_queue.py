"""Whose turn is it, when more requests come than the engines have room for?"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType

from nemotron_app.limits.cost import Cost
from nemotron_app.limits.errors import QueueFull
from nemotron_app.limits.service import ServiceCounters

_NEWEST_SHARE = 0.2  # of the latest request in the mean time that a slot is held


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueBounds:
    """`slots` requests run at once; so many more may wait, in all and per owner, for so many seconds."""

    slots: int
    waiting: int
    waiting_per_owner: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which in line a request is, 0 once it runs, and how long it may wait: None until one was timed."""

    position: int
    seconds: float | None


class FairQueue:
    """Gives free slots to the owner who was served least; requests of one owner keep their order."""

    def __init__(self, bounds: QueueBounds, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.bounds = bounds
        self._clock = clock
        self._served = ServiceCounters()
        self._waiting: dict[str, deque[Ticket]] = {}
        self._running: dict[Ticket, float] = {}
        self._mean_seconds: float | None = None
        self._previous = ""

    @property
    def num_waiting(self) -> int:
        """Requests that have no slot yet."""
        return sum(map(len, self._waiting.values()))

    @property
    def num_running(self) -> int:
        """Requests that hold a slot."""
        return len(self._running)

    def join(self, owner: str, cost: Cost) -> "Ticket":
        """Line up. Enter the ticket to wait for the slot, leave it to free the slot. Raises QueueFull."""
        self._check_room(owner)
        if owner not in self._waiting:
            self._served.lift(owner, self._waiting)
        ticket = Ticket(self, owner, cost)
        self._waiting.setdefault(owner, deque()).append(ticket)
        self._fill_slots()
        return ticket

    def places(self, owner: str) -> tuple[Place, ...]:
        """Where the waiting requests of an owner stand, in order."""
        order = enumerate(self._order(), start=1)
        return tuple(self._place(position) for position, ticket in order if ticket.owner == owner)

    def place(self, ticket: "Ticket") -> Place:
        """Where a ticket stands if nobody else comes and every answer is as long as it may be."""
        if ticket not in self._waiting.get(ticket.owner, ()):
            return Place(position=0, seconds=0.0)
        return self._place(self._order().index(ticket) + 1)

    def charge(self, ticket: "Ticket", tokens: int) -> None:
        """Count weighted tokens that were made for a ticket."""
        self._served.charge(ticket.owner, tokens)

    def leave(self, ticket: "Ticket") -> None:
        """Give up the place or the slot, whichever the ticket has."""
        if ticket in self._running:
            self._time(self._clock() - self._running.pop(ticket))
        elif ticket in self._waiting.get(ticket.owner, ()):
            self._remove(ticket)
        self._fill_slots()
        if not self._waiting:
            self._served.forget({running.owner for running in self._running})

    def full(self, message: str) -> QueueFull:
        """The refusal, with the time after which a slot may be free."""
        return QueueFull(message, retry_after=self._seconds_until(self.num_waiting + 1) or 1.0)

    def _check_room(self, owner: str) -> None:
        if len(self._running) < self.bounds.slots:
            return
        if self.num_waiting >= self.bounds.waiting:
            raise self.full(f"{self.num_waiting} requests wait already, the most that may.")
        own = len(self._waiting.get(owner, ()))
        if own >= self.bounds.waiting_per_owner:
            raise self.full(f"{own} of your requests wait already, the most that may.")

    def _fill_slots(self) -> None:
        while self._waiting and len(self._running) < self.bounds.slots:
            ticket = self._next()
            self._remove(ticket)
            self._running[ticket] = self._clock()
            self._served.charge(ticket.owner, ticket.cost.least)
            ticket.granted.set()

    def _next(self) -> "Ticket":
        owner = _least_served(self._waiting, self._served.of, self._previous)
        self._previous = owner
        return self._waiting[owner][0]

    def _remove(self, ticket: "Ticket") -> None:
        queue = self._waiting[ticket.owner]
        queue.remove(ticket)
        if not queue:
            del self._waiting[ticket.owner]
            self._served.stopped_waiting(ticket.owner)

    def _order(self) -> "list[Ticket]":
        served = {owner: self._served.of(owner) for owner in self._waiting}
        queues = {owner: deque(queue) for owner, queue in self._waiting.items()}
        order: list[Ticket] = []
        owner = self._previous
        while queues:
            owner = _least_served(queues, served.__getitem__, owner)
            order.append(queues[owner].popleft())
            served[owner] += order[-1].cost.most
            if not queues[owner]:
                del queues[owner]
        return order

    def _place(self, position: int) -> Place:
        return Place(position=position, seconds=self._seconds_until(position))

    def _seconds_until(self, position: int) -> float | None:
        return None if self._mean_seconds is None else self._mean_seconds * position / self.bounds.slots

    def _time(self, seconds: float) -> None:
        mean = seconds if self._mean_seconds is None else self._mean_seconds
        self._mean_seconds = mean + _NEWEST_SHARE * (seconds - mean)


class Ticket:
    """A request's place in the queue, and then its slot."""

    def __init__(self, queue: FairQueue, owner: str, cost: Cost) -> None:
        self._queue = queue
        self.owner = owner
        self.cost = cost
        self.granted = asyncio.Event()

    @property
    def place(self) -> Place:
        """Where it stands now."""
        return self._queue.place(self)

    def charge(self, tokens: int) -> None:
        """Count weighted tokens that were made."""
        self._queue.charge(self, tokens)

    async def __aenter__(self) -> "Ticket":
        try:
            async with asyncio.timeout(self._queue.bounds.seconds):
                await self.granted.wait()
        except TimeoutError:
            seconds = self._queue.bounds.seconds
            self._queue.leave(self)
            raise self._queue.full(f"No engine was free within {seconds:g} s.") from None
        except BaseException:
            self._queue.leave(self)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.leave(self)


def _least_served(owners: Iterable[str], served: Callable[[str], int], previous: str) -> str:
    """Of equals, not the one who had the last turn, then who has waited longest."""
    return min(owners, key=lambda owner: (served(owner), owner == previous))
