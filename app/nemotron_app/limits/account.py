"""What do a caller's books mean to the caller?"""

import math

from nemotron_app.limits.errors import LimitExceeded
from nemotron_app.limits.ledger import DAY, UNIT, Reading, Verdict
from nemotron_app.limits.state import LimitName, LimitState
from nemotron_app.limits.tier import SignInLimit, Tier

_MINUTE_SECONDS = 60
_DAY_SECONDS = 86_400
# Nobody knows when a running request ends; a client may ask again after this long.
_IN_FLIGHT_SECONDS = 1.0

_PLACES = {Verdict.REQUESTS: 0, Verdict.TOKENS: 1, Verdict.DAY: 2, Verdict.IN_FLIGHT: 3}


def states_of(reading: Reading, tier: Tier) -> tuple[LimitState, ...]:
    """Requests, tokens, tokens a day, requests in flight."""
    return (
        _bucket("requests", reading.requests, tier.requests_per_minute, tier.burst),
        _bucket("tokens", reading.tokens, tier.tokens_per_minute, tier.tokens_per_minute),
        _counter("tokens_per_day", reading.day_tokens, tier.tokens_per_day, _until_midnight(reading)),
        _counter("in_flight", reading.in_flight, tier.in_flight, (reading.last_expiry - reading.now) / 1000),
    )


def refusal_of(verdict: Verdict, reading: Reading, tier: Tier, charge: int) -> LimitExceeded:
    """The error for a reservation that did not pass."""
    states = states_of(reading, tier)
    waits = {
        Verdict.REQUESTS: _until_room(reading.requests, 1, tier.requests_per_minute, tier.burst),
        Verdict.TOKENS: _until_room(reading.tokens, charge, tier.tokens_per_minute, tier.tokens_per_minute),
        Verdict.DAY: _until_midnight(reading) if charge <= tier.tokens_per_day else None,
        Verdict.IN_FLIGHT: _IN_FLIGHT_SECONDS,
    }
    requested = charge if verdict in (Verdict.TOKENS, Verdict.DAY) else 1
    limit = states[_PLACES[verdict]]
    return LimitExceeded(limit, requested=requested, retry_after=waits[verdict], states=states)


def sign_in_refusal_of(level: int, limit: SignInLimit) -> LimitExceeded:
    """The error for an address that failed to sign in too often."""
    state = _bucket("sign_in_failures", level, limit.per_minute, limit.burst)
    wait = _until_room(level, 1, limit.per_minute, limit.burst)
    return LimitExceeded(state, requested=1, retry_after=wait, states=(state,))


def _bucket(name: LimitName, level: int, rate: int, capacity: int) -> LimitState:
    used = -(-level // UNIT)
    return LimitState(
        name=name,
        limit=rate,
        window=_MINUTE_SECONDS,
        capacity=capacity,
        used=used,
        remaining=max(0, capacity - used),
        resets_in=math.ceil(level / rate) / 1000,
    )


def _counter(name: LimitName, used: int, limit: int, resets_in: float) -> LimitState:
    window = _DAY_SECONDS if name == "tokens_per_day" else 0
    return LimitState(
        name=name,
        limit=limit,
        window=window,
        capacity=limit,
        used=used,
        remaining=max(0, limit - used),
        resets_in=resets_in if used else 0.0,
    )


def _until_room(level: int, amount: int, rate: int, capacity: int) -> float | None:
    if amount > capacity:
        return None
    return max(0, -(-(level + (amount - capacity) * UNIT) // rate)) / 1000


def _until_midnight(reading: Reading) -> float:
    return (DAY - reading.now % DAY) / 1000
