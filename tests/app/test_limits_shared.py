"""Do limits hold when several processes share one Redis?"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from nemotron_app.limits import LimitState, Tier
from nemotron_app.limits.limiter import StoreLimiter
from nemotron_app.limits.redis_store import RedisStore, connect

ROOT = Path(__file__).parents[2]
NUM_SCHEDULES = 10_000

Batch = list[dict[str, Any]]
StartWorker = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start_worker(redis_url: str) -> Iterator[StartWorker]:
    """Start `limits_worker.py`, with a clock that is `skew` seconds off."""
    with ExitStack() as stack:

        def start(*, skew: float = 0.0, lease_seconds: float = 300.0) -> "subprocess.Popen[str]":
            process = stack.enter_context(_worker(redis_url, skew, lease_seconds))
            stack.callback(process.kill)
            assert _answer(process) == "ready\n"
            return process

        yield start


def _worker(url: str, skew: float, lease_seconds: float) -> "subprocess.Popen[str]":
    script = str(Path(__file__).with_name("limits_worker.py"))
    path = os.pathsep.join(str(ROOT / folder) for folder in ("app", "backend", "kernels"))
    return subprocess.Popen(
        [sys.executable, script, url, str(skew), str(lease_seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def _ask(process: "subprocess.Popen[str]", batch: Batch) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(batch) + "\n")
    process.stdin.flush()


def _answer(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _side_by_side(workers: list["subprocess.Popen[str]"], batches: list[Batch]) -> list[list[list[bool]]]:
    for worker, batch in zip(workers, batches, strict=True):
        _ask(worker, batch)
    return [json.loads(_answer(worker)) for worker in workers]


def _tier(**limits: int) -> dict[str, int]:
    wide = {"requests_per_minute": 1, "burst": 10**6, "tokens_per_minute": 10**8, "tokens_per_day": 10**9}
    return {**wide, "in_flight": 10**6, **limits}


def _random_pair(owner: str, rng: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    """One owner's calls, dealt to two processes."""
    tier = _tier(
        burst=rng.randint(1, 3),
        tokens_per_minute=rng.randint(1, 60),
        tokens_per_day=rng.randint(1, 60),
        in_flight=rng.randint(1, 3),
    )

    def calls() -> list[dict[str, Any]]:
        costs = [rng.randint(0, 40) for _ in range(rng.randint(1, 2))]
        return [{"cost": cost, "used": rng.choice([None, None, rng.randint(0, cost)])} for cost in costs]

    return tuple({"owner": owner, "tier": tier, "calls": calls()} for _ in range(2))  # type: ignore[return-value]


def _spent(schedule: dict[str, Any], admitted: list[bool]) -> list[dict[str, Any]]:
    return [call for call, passed in zip(schedule["calls"], admitted, strict=True) if passed]


def _check_never_more(tier: dict[str, int], spent: list[dict[str, Any]], minutes: float) -> None:
    open_calls = [call for call in spent if call["used"] is None]
    charged = sum(call["cost"] if call["used"] is None else call["used"] for call in spent)
    assert len(spent) <= tier["burst"] + tier["requests_per_minute"] * minutes
    assert len(open_calls) <= tier["in_flight"]
    assert charged <= tier["tokens_per_day"]
    assert charged <= tier["tokens_per_minute"] * (1 + minutes)


def test_two_processes_never_admit_more_than_the_limits(start_worker: StartWorker) -> None:
    workers = [start_worker(), start_worker()]
    rng, run = random.Random(2401), uuid4().hex
    pairs = [_random_pair(f"{run}:{number}", rng) for number in range(NUM_SCHEDULES)]
    start = time.monotonic()
    answers = _side_by_side(workers, [[first for first, _ in pairs], [second for _, second in pairs]])
    minutes = (time.monotonic() - start) / 60
    both, none = 0, 0
    for (first, second), one, other in zip(pairs, *answers, strict=True):
        spent = _spent(first, one) + _spent(second, other)
        _check_never_more(first["tier"], spent, minutes)
        both += all(one) and all(other)
        none += not spent
    # The schedules must reach both sides of the limits to mean anything.
    assert NUM_SCHEDULES / 10 < NUM_SCHEDULES - both - none < NUM_SCHEDULES


@pytest.mark.parametrize(
    ("limit", "last"),
    [("burst", 1), ("in_flight", 1), ("tokens_per_minute", 5), ("tokens_per_day", 5)],
)
def test_the_last_unit_goes_to_one_of_two_racers(start_worker: StartWorker, limit: str, last: int) -> None:
    workers = [start_worker(), start_worker()]
    run, calls = uuid4().hex, [{"cost": 5, "used": None}]
    batch = [
        {"owner": f"{run}:{number}", "tier": _tier(**{limit: last}), "calls": calls} for number in range(200)
    ]
    one, other = _side_by_side(workers, [batch, batch])
    assert [first[0] + second[0] for first, second in zip(one, other, strict=True)] == [1] * 200


def test_wrong_clocks_of_processes_change_nothing(start_worker: StartWorker) -> None:
    workers = [start_worker(skew=-86_400), start_worker(), start_worker(skew=7 * 86_400)]
    owner, calls = uuid4().hex, [{"cost": 1, "used": 1}] * 4
    admitted = 0
    for worker in workers:
        _ask(worker, [{"owner": owner, "tier": _tier(burst=6), "calls": calls}])
        admitted += sum(json.loads(_answer(worker))[0])
    assert admitted == 6


async def _states(url: str, owner: str, clock: Callable[[], int] | None = None) -> dict[str, LimitState]:
    store = RedisStore(connect(url, patience=5), lease_seconds=30, patience=5, clock=clock)
    limiter = StoreLimiter(store)
    tier = Tier(name="random", survives_outage=True, **_tier(tokens_per_minute=1))
    try:
        return {state.name: state for state in await limiter.usage(owner, tier)}
    finally:
        await limiter.close()


async def test_leases_of_a_killed_process_end_within_the_lease_time(
    start_worker: StartWorker, redis_url: str
) -> None:
    worker, owner = start_worker(lease_seconds=30), uuid4().hex
    _ask(worker, [{"owner": owner, "tier": _tier(), "calls": [{"cost": 7, "used": None}] * 3}])
    assert json.loads(_answer(worker)) == [[True] * 3]
    worker.kill()
    worker.wait()
    states = await _states(redis_url, owner)
    assert (states["in_flight"].used, states["tokens_per_day"].used) == (3, 21)
    later = round(1000 * (time.time() + 30))
    states = await _states(redis_url, owner, lambda: later)
    assert (states["in_flight"].used, states["tokens_per_day"].used) == (0, 0)
