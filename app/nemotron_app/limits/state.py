"""How far has a caller used a limit?"""

from dataclasses import dataclass
from typing import Literal

LimitName = Literal["requests", "tokens", "tokens_per_day", "in_flight", "sign_in_failures"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitState:
    """One limit as the caller sees it: in headers, at `/v1/usage`, in a refusal.

    `limit` counts per `window` seconds (0: at any moment). `capacity` is what may be spent at once and
    equals used + remaining, unless an answer cost more than was set aside for it. `resets_in` is the
    time in seconds until nothing is used any more if nothing is spent; for requests in flight, until the
    last of them would expire if nobody renewed it.
    """

    name: LimitName
    limit: int
    window: int
    capacity: int
    used: int
    remaining: int
    resets_in: float
