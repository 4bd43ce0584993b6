"""How is a caller's usage described?"""

from collections.abc import Sequence
from typing import Literal

from typing_extensions import TypedDict

from nemotron_app.accounts.store.usage import DailyUsage
from nemotron_app.limits import LimitName, LimitState, Place


class LimitAnswer(TypedDict):
    """One limit: `limit` per `window` seconds (0: at any moment), of which `capacity` at once.

    `resets_in` seconds from now nothing is used any more if nothing is spent.
    """

    name: LimitName
    limit: int
    window: int
    capacity: int
    used: int
    remaining: int
    resets_in: float


class PlaceAnswer(TypedDict):
    """A request of the caller that waits for the engine; `seconds` is an estimate, null before the first."""

    position: int
    seconds: float | None


class QueueAnswer(TypedDict):
    """The line before the engine, and where the caller stands in it."""

    running: int
    waiting: int
    places: list[PlaceAnswer]


class SpentAnswer(TypedDict):
    """Requests, tokens, forwards of the network and milliseconds."""

    requests: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    forwards: int
    milliseconds: int


class DayAnswer(SpentAnswer):
    """The same of one day (UTC), variant and key; `key_id` is empty where the page was used."""

    day: str
    variant: str
    key_id: str


class UsageReport(TypedDict):
    """What a caller has used, and what is left. Tokens in `limits` are weighted, elsewhere they are plain."""

    object: Literal["usage"]
    tier: str
    degraded: bool
    limits: list[LimitAnswer]
    queue: QueueAnswer
    today: SpentAnswer
    days: list[DayAnswer]


def describe_limits(states: Sequence[LimitState]) -> list[LimitAnswer]:
    """Every limit as `/v1/usage` gives it."""
    return [
        {
            "name": state.name,
            "limit": state.limit,
            "window": state.window,
            "capacity": state.capacity,
            "used": state.used,
            "remaining": state.remaining,
            "resets_in": state.resets_in,
        }
        for state in states
    ]


def describe_places(places: Sequence[Place]) -> list[PlaceAnswer]:
    """Where each waiting request stands."""
    return [{"position": place.position, "seconds": place.seconds} for place in places]


def describe_days(rows: Sequence[DailyUsage]) -> list[DayAnswer]:
    """The ledger's sums."""
    return [_day(row) for row in rows]


def sum_up(rows: Sequence[DailyUsage]) -> SpentAnswer:
    """All rows as one."""
    return {
        "requests": sum(row.requests for row in rows),
        "prompt_tokens": sum(row.prompt_tokens for row in rows),
        "cached_tokens": sum(row.cached_tokens for row in rows),
        "completion_tokens": sum(row.completion_tokens for row in rows),
        "reasoning_tokens": sum(row.reasoning_tokens for row in rows),
        "forwards": sum(row.forwards for row in rows),
        "milliseconds": sum(row.milliseconds for row in rows),
    }


def _day(row: DailyUsage) -> DayAnswer:
    return {
        "day": row.day.isoformat(),
        "variant": row.variant,
        "key_id": row.key_id,
        **sum_up([row]),
    }
