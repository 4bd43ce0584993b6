"""How do limits look in the head of an answer?

Three dialects, on every answer:
- OpenAI's `x-ratelimit-*`: requests and tokens are both per minute; `remaining` is what may be spent at
  once, so for requests it never exceeds the burst; `reset` is when nothing is used any more.
- The IETF's `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11), all limits.
- `Retry-After` on refusals, with `retry-after-ms` and `x-should-retry`, which OpenAI's clients obey.
"""

import math
from collections.abc import Iterable

from nemotron_app.limits.errors import LimiterUnavailable, LimitExceeded, QueueFull
from nemotron_app.limits.state import LimitState

EXPOSED = (
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "retry-after-ms",
    "x-ratelimit-degraded",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "x-should-retry",
)

_OPENAI_NAMES = ("requests", "tokens")
# Units of the draft's registry, but for tokens, which it does not have.
_UNITS = {"tokens": "tokens", "tokens_per_day": "tokens", "in_flight": "concurrent-requests"}


def limit_headers(states: Iterable[LimitState], *, degraded: bool = False) -> dict[str, str]:
    """Headers of any answer to a caller whose limits stand like this."""
    states = tuple(states)
    headers = {"x-ratelimit-degraded": "1"} if degraded else {}
    for state in states:
        if state.name in _OPENAI_NAMES:
            headers[f"x-ratelimit-limit-{state.name}"] = str(state.limit)
            headers[f"x-ratelimit-remaining-{state.name}"] = str(state.remaining)
            headers[f"x-ratelimit-reset-{state.name}"] = duration(state.resets_in)
    if states:
        headers["ratelimit-policy"] = ", ".join(_policy(state) for state in states)
        headers["ratelimit"] = ", ".join(_remaining(state) for state in states)
    return headers


def refusal_headers(refusal: LimitExceeded, *, degraded: bool = False) -> dict[str, str]:
    """Headers of a 429."""
    headers = limit_headers(refusal.states, degraded=degraded)
    if refusal.retry_after is not None:
        headers |= _retry_after(refusal.retry_after)
    if not refusal.should_retry:
        headers["x-should-retry"] = "false"
    return headers


def unavailable_headers(error: LimiterUnavailable | QueueFull) -> dict[str, str]:
    """Headers of a 503."""
    return _retry_after(error.retry_after)


def duration(seconds: float) -> str:
    """As OpenAI writes it: `17ms`, `1.5s`, `6m0s`, `3h2m1s`."""
    milliseconds = math.ceil(seconds * 1000)
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    if not minutes:
        return f"{rest / 1000:g}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest // 1000}s" if hours else f"{minutes}m{rest // 1000}s"


def _retry_after(seconds: float) -> dict[str, str]:
    return {
        "retry-after": str(max(1, math.ceil(seconds))),
        "retry-after-ms": str(max(1, math.ceil(seconds * 1000))),
    }


def _policy(state: LimitState) -> str:
    item = f'"{state.name}";q={state.limit}'
    if state.window:
        item += f";w={state.window}"
    if state.name in _UNITS:
        item += f';qu="{_UNITS[state.name]}"'
    if state.capacity != state.limit:
        item += f";nemotron-burst={state.capacity}"
    return item


def _remaining(state: LimitState) -> str:
    return f'"{state.name}";r={state.remaining};t={math.ceil(state.resets_in)}'
