"""What does a process of its own do with the limiter?

Reads a line of JSON, a list of schedules, runs them side by side, and writes a line with what was admitted.
Started by the tests of limits that need several processes, and able to die with its leases open.
"""

import asyncio
import json
import sys
import time
from fractions import Fraction
from typing import Any

from nemotron_app.limits import Cost, LimitExceeded, Tier
from nemotron_app.limits.limiter import StoreLimiter
from nemotron_app.limits.redis_store import RedisStore, connect

SIDE_BY_SIDE = 24


def skew_the_clocks(seconds: float) -> None:
    """Let this process believe in another time, as a machine with a wrong clock does."""
    for name in ("time", "monotonic"):
        right = getattr(time, name)
        setattr(time, name, lambda right=right: right() + seconds)


async def run_schedule(limiter: StoreLimiter, schedule: dict[str, Any]) -> list[bool]:
    """Which calls were admitted. A call with `used` is settled at once, one without is left open."""
    tier = Tier(name="random", survives_outage=True, **schedule["tier"])
    admitted = []
    for call in schedule["calls"]:
        cost = Cost(prompt_tokens=0, max_completion_tokens=call["cost"], weight=Fraction(1))
        try:
            lease = await limiter.reserve(schedule["owner"], tier, cost)
        except LimitExceeded:
            admitted.append(False)
            continue
        admitted.append(True)
        if call["used"] is not None:
            await limiter.settle(lease, call["used"])
    return admitted


async def run_batch(limiter: StoreLimiter, schedules: list[dict[str, Any]]) -> list[list[bool]]:
    """Every schedule, some at the same time."""
    room = asyncio.Semaphore(SIDE_BY_SIDE)

    async def run(schedule: dict[str, Any]) -> list[bool]:
        async with room:
            return await run_schedule(limiter, schedule)

    return await asyncio.gather(*map(run, schedules))


async def main(url: str, skew: float, lease_seconds: float) -> None:
    """Answer line after line until there are no more."""
    skew_the_clocks(skew)
    store = RedisStore(connect(url, patience=10), lease_seconds=lease_seconds, patience=10)
    limiter = StoreLimiter(store)
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await run_batch(limiter, json.loads(line))), flush=True)
    await limiter.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))
