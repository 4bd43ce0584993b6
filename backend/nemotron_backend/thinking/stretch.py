"""How long did a part of an answer take?"""

from collections.abc import Callable
from dataclasses import dataclass

from nemotron_backend.request import Phase, PhaseKind

Clock = Callable[[], float]


@dataclass(slots=True)
class Stretch:
    """Tokens that one size makes; the clock is in seconds."""

    kind: PhaseKind
    size: str
    started: float
    num_tokens: int = 0
    first_token: float | None = None
    ended: float = 0.0

    def add(self, num_tokens: int, now: float) -> None:
        """Count tokens that came just now."""
        self.num_tokens += num_tokens
        self.first_token = now if self.first_token is None and num_tokens else self.first_token
        self.ended = now

    def phase(self) -> Phase:
        """The same as it is told."""
        first = self.ended if self.first_token is None else self.first_token
        return Phase(
            kind=self.kind,
            size=self.size,
            num_tokens=self.num_tokens,
            first_token_milliseconds=1000 * (first - self.started),
            milliseconds=1000 * (self.ended - self.started),
        )
