"""Is it worth asking a service that has just failed?"""

import time
from collections.abc import Callable


class Breaker:
    """Lets calls pass until `failures` in a row, then one each `rest` seconds, resting ever longer.

    So a dead service costs its timeout once a rest, not once a call, and is noticed when it is back.
    """

    def __init__(
        self,
        *,
        failures: int = 3,
        first_rest: float = 0.25,
        longest_rest: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tolerated = failures
        self._first_rest = first_rest
        self._longest_rest = longest_rest
        self._clock = clock
        self._failures = 0
        self._rest = first_rest
        self._rests_until = 0.0
        self.reason = ""
        self.num_openings = 0

    @property
    def is_open(self) -> bool:
        """Whether calls are held back."""
        return self._failures >= self._tolerated

    @property
    def is_failing(self) -> bool:
        """Whether the latest call failed, be it the first that did."""
        return self._failures > 0

    def allows(self) -> bool:
        """Whether to call now. While open, a yes is a probe, and the next one comes a rest later."""
        if not self.is_open:
            return True
        if self._clock() < self._rests_until:
            return False
        self._rests_until = self._clock() + self._rest
        return True

    def failed(self, reason: str) -> None:
        """A call that was allowed has failed."""
        was_open = self.is_open
        self._failures += 1
        self.reason = reason
        if not self.is_open:
            return
        self.num_openings += 0 if was_open else 1
        self._rest = min(2 * self._rest, self._longest_rest) if was_open else self._first_rest
        self._rests_until = self._clock() + self._rest

    def succeeded(self) -> None:
        """A call that was allowed has been answered."""
        self._failures = 0
        self.reason = ""
