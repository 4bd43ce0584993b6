"""How does a request fail before it costs anything?

LimitError
├── LimitExceeded        a limit of the caller is used up; says which, and when it frees
├── LimiterUnavailable   limits cannot be checked now, and this caller may not go on without
│   └── StoreUnavailable the shared store did not answer in time, or refused
└── QueueFull            every engine slot is taken, and too many wait or the wait was too long

InvalidAmount (ValueError)  a token count that no honest caller sends
"""

from nemotron_app.limits.state import LimitState


class LimitError(Exception):
    """Root of all refusals for want of budget or room; none of them has spent anything."""


class LimitExceeded(LimitError):
    """`limit` has no room for the request; `retry_after` is None if it never will.

    `states` are all limits of the caller at that moment, for the headers of the refusal.
    """

    def __init__(
        self,
        limit: LimitState,
        *,
        requested: int,
        retry_after: float | None,
        states: tuple[LimitState, ...],
    ) -> None:
        super().__init__(_sentence(limit, requested, retry_after))
        self.limit = limit
        self.requested = requested
        self.retry_after = retry_after
        self.states = states

    @property
    def should_retry(self) -> bool:
        """Whether a client may wait for it: not for tomorrow's quota, nor for what never fits."""
        return self.retry_after is not None and self.limit.name != "tokens_per_day"


class LimiterUnavailable(LimitError):
    """Limits cannot be checked; ask again in `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreUnavailable(LimiterUnavailable):
    """The shared store did not answer in time, or refused; the message says how."""


class QueueFull(LimitError):
    """No engine slot came free; ask again in `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class InvalidAmount(ValueError):
    """A number of tokens is negative, absurdly large or no whole number."""


_UNITS = {
    "requests": "{} request{s} a minute, {} at once",
    "tokens": "{} weighted token{s} a minute",
    "tokens_per_day": "{} weighted token{s} a day",
    "in_flight": "{} request{s} at the same time",
    "sign_in_failures": "{} failed sign-in{s} a minute, {} at once",
}


def _sentence(limit: LimitState, requested: int, retry_after: float | None) -> str:
    allowed = _UNITS[limit.name].format(limit.limit, limit.capacity, s="" if limit.limit == 1 else "s")
    if retry_after is None:
        return f"The limit is {allowed}; this request alone needs {requested}, so it can never pass."
    frees = "when one of them ends" if limit.name == "in_flight" else f"in {retry_after:.1f} s"
    return f"The limit is {allowed}; {limit.used} are used and this needs {requested} more. It frees {frees}."
