"""Is everyone's turn fair, bounded and visible?"""

import asyncio
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemotron_app.limits import Cost, FairQueue, Place, QueueBounds, QueueFull, Ticket
from nemotron_app.limits.service import ServiceCounters

BOUNDS = QueueBounds(slots=1, waiting=8, waiting_per_owner=4, seconds=60)


def _cost(prompt: int, completion: int = 0) -> Cost:
    return Cost(prompt_tokens=prompt, max_completion_tokens=completion, weight=Fraction(1))


def _queue(**bounds: float) -> FairQueue:
    given_bounds = {name: getattr(BOUNDS, name) for name in QueueBounds.__slots__} | bounds
    return FairQueue(QueueBounds(**given_bounds))


def _served_in_order(queue: FairQueue, tickets: list[Ticket]) -> list[str]:
    """End what runs, again and again, and note who comes next."""
    order = []
    while running := [ticket for ticket in tickets if ticket.granted.is_set()]:
        order += [ticket.owner for ticket in running]
        tickets = [ticket for ticket in tickets if ticket not in running]
        for ticket in running:
            queue.leave(ticket)
    return order


async def test_a_free_slot_is_given_at_once() -> None:
    queue = _queue()
    async with queue.join("a", _cost(1)) as ticket:
        assert ticket.place == Place(position=0, seconds=0.0)
        assert (queue.num_running, queue.num_waiting) == (1, 0)
    assert queue.num_running == 0


def test_owners_with_equal_requests_take_turns() -> None:
    queue = _queue()
    tickets = [queue.join(owner, _cost(10)) for owner in ("a", "a", "a", "a", "b", "b")]
    assert _served_in_order(queue, tickets) == ["a", "b", "a", "b", "a", "a"]


def test_who_asks_for_little_comes_before_who_was_served_much() -> None:
    queue = _queue()
    tickets = [queue.join(owner, _cost(cost)) for owner, cost in [("a", 90)] * 3 + [("b", 10)] * 4]
    assert _served_in_order(queue, tickets) == ["a", "b", "a", "b", "b", "b", "a"]


def test_tokens_made_count_against_the_owner() -> None:
    queue = _queue()
    tickets = [queue.join(owner, _cost(10)) for owner in ("a", "a", "b", "b")]
    tickets[0].charge(1_000)
    assert _served_in_order(queue, tickets) == ["a", "b", "b", "a"]


def test_time_away_earns_no_credit() -> None:
    queue = _queue(waiting=100, waiting_per_owner=100)
    old = [queue.join("busy", _cost(100)) for _ in range(20)]
    for ticket in old[:10]:
        queue.leave(ticket)
    late = [queue.join("late", _cost(100)) for _ in range(10)]
    order = _served_in_order(queue, old[10:] + late)
    for length in range(1, len(order)):
        assert abs(order[:length].count("busy") - order[:length].count("late")) <= 2


def test_using_an_idle_server_is_not_held_against_anyone() -> None:
    queue = _queue()
    for _ in range(50):
        queue.leave(queue.join("alone", _cost(1_000)))
    tickets = [queue.join(owner, _cost(10)) for owner in ("late", "alone", "late", "alone")]
    assert _served_in_order(queue, tickets) == ["late", "alone", "late", "alone"]


def test_the_place_is_the_order_in_which_requests_are_served() -> None:
    queue = _queue()
    running = queue.join("a", _cost(10, 20))
    tickets = [queue.join(owner, _cost(10, 20)) for owner in ("a", "a", "b", "b")]
    assert [ticket.place.position for ticket in tickets] == [2, 4, 1, 3]
    assert queue.places("b") == (tickets[2].place, tickets[3].place)
    assert running.place.position == 0


def test_the_wait_is_estimated_from_how_long_requests_ran() -> None:
    now = 0.0
    queue = FairQueue(BOUNDS, clock=lambda: now)
    first, second, third = (queue.join("a", _cost(1)) for _ in range(3))
    assert third.place == Place(position=2, seconds=None)
    now = 3.0
    queue.leave(first)
    assert third.place == Place(position=1, seconds=3.0)
    queue.leave(second)
    queue.leave(third)


def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    queue = _queue(waiting=2)
    for _ in range(3):
        queue.join("a", _cost(1))
    with pytest.raises(QueueFull, match="2 requests wait already") as full:
        queue.join("b", _cost(1))
    assert full.value.retry_after > 0


def test_one_owner_cannot_fill_the_queue() -> None:
    queue = _queue(waiting=8, waiting_per_owner=2)
    for _ in range(3):
        queue.join("a", _cost(1))
    with pytest.raises(QueueFull, match="2 of your requests"):
        queue.join("a", _cost(1))
    queue.join("b", _cost(1))


async def test_a_wait_is_bounded() -> None:
    queue = _queue(seconds=0.001)
    async with queue.join("a", _cost(1)):
        with pytest.raises(QueueFull, match="No engine was free within"):
            async with queue.join("b", _cost(1)):
                pytest.fail("there was no slot")
        assert queue.num_waiting == 0


async def test_whoever_leaves_while_waiting_frees_the_place() -> None:
    queue = _queue()
    async with queue.join("a", _cost(1)):
        waiting = asyncio.create_task(_enter(queue.join("b", _cost(1))))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert queue.num_waiting == 0
    assert queue.num_running == 0


async def test_whoever_leaves_just_as_the_turn_comes_frees_the_slot() -> None:
    queue = _queue()
    first = queue.join("a", _cost(1))
    waiting = asyncio.create_task(_enter(queue.join("b", _cost(1))))
    await asyncio.sleep(0)
    queue.leave(first)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (queue.num_running, queue.num_waiting) == (0, 0)


async def test_a_failed_request_frees_its_slot() -> None:
    queue = _queue()
    with pytest.raises(ZeroDivisionError):
        async with queue.join("a", _cost(1)):
            raise ZeroDivisionError
    assert queue.num_running == 0


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 50), st.integers(0, 50)), min_size=20, max_size=60
    ),
    st.integers(1, 3),
)
def test_backlogged_owners_are_served_alike(requests: list[tuple[str, int, int]], slots: int) -> None:
    """The paper's bound: owners who both wait differ by at most two batches of the largest request."""
    queue = _queue(slots=slots, waiting=100, waiting_per_owner=100)
    tickets = [queue.join(owner, _cost(prompt)) for owner, prompt, _ in requests]
    made = dict(zip(tickets, (made for _, _, made in requests), strict=True))
    served, bound = dict.fromkeys("abc", 0), 2 * 100 * (slots + 1)
    while len(backlogged := {ticket.owner for ticket in tickets if not ticket.granted.is_set()}) > 1:
        running = next(ticket for ticket in tickets if ticket.granted.is_set())
        tickets.remove(running)
        running.charge(made[running])
        served[running.owner] += running.cost.least + made[running]
        queue.leave(running)
        amounts = [served[owner] for owner in backlogged]
        assert max(amounts) - min(amounts) <= bound


def test_counters_of_strangers_do_not_pile_up() -> None:
    queue = _queue()
    for number in range(1_000):
        queue.leave(queue.join(f"stranger:{number}", _cost(10)))
    assert len(queue._served) < 10


def test_forgetting_changes_nobodys_turn() -> None:
    kept, pruned = ServiceCounters(), ServiceCounters()
    for counters in (kept, pruned):
        for owner, tokens in (("a", 5), ("b", 50), ("c", 20)):
            counters.charge(owner, tokens)
        counters.stopped_waiting("c")
    pruned.forget(())
    for counters in (kept, pruned):
        for owner in "abc":
            counters.lift(owner, ())
    assert [kept.of(owner) for owner in "abc"] == [pruned.of(owner) for owner in "abc"] == [20, 50, 20]


async def _enter(ticket: Ticket, then: Callable[[], None] = lambda: None) -> None:
    async with ticket:
        then()
        await asyncio.Event().wait()
