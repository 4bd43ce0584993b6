"""What does one caller owe, and may it spend more?

This is the algorithm; `limits.lua` says the same for Redis, and a property test holds both to it.

Requests and tokens are each a bucket that leaks: a level rises with what is spent and falls with time;
there is room while the level stays below the capacity. For a cost of one it is the generic cell rate
algorithm in its leaky-bucket form (ITU-T I.371 shows both forms equal). A level counts in units of 1/60000
of a request or token, so that `rate` units leak in a millisecond and all arithmetic is in whole numbers.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from nemotron_app.limits.tier import Tier

UNIT = 60_000  # a request or token, and the milliseconds of a minute
DAY = 86_400_000
HIGHEST_LEVEL = 2**50


class Verdict(IntEnum):
    """Whether a reservation passes, else the limit that frees last of those without room."""

    GRANTED = 0
    DAY = 1
    TOKENS = 2
    REQUESTS = 3
    IN_FLIGHT = 4


@dataclass(frozen=True, slots=True)
class Reading:
    """A caller's books at the moment `now`, in milliseconds since 1970."""

    now: int
    requests: int
    tokens: int
    day_tokens: int
    in_flight: int
    last_expiry: int


@dataclass(slots=True)
class Held:
    """A reservation in the books: what was charged at first, what has been reported since."""

    expires: int
    charged: int
    reported: int
    day: int


@dataclass(slots=True)
class Ledger:
    """The books of one caller. Every method first brings them to the moment `now`."""

    at: int = 0
    requests: int = 0
    tokens: int = 0
    day: int = 0
    day_tokens: int = 0
    held: dict[str, Held] = field(default_factory=dict[str, Held])

    def advance(self, tier: Tier, now: int) -> None:
        """Let time pass. A clock that jumps back lets none pass."""
        elapsed = max(0, now - self.at)
        self.at = now
        self.requests = max(0, self.requests - elapsed * tier.requests_per_minute)
        self.tokens = max(0, self.tokens - elapsed * tier.tokens_per_minute)
        if self.day != now // DAY:
            self.day, self.day_tokens = now // DAY, 0
        self._settle_orphans()

    def reserve(self, tier: Tier, lease: str, expires: int, *, charge: int, least: int) -> Verdict:
        """Charge and write down everything, or nothing."""
        verdict = self._verdict(tier, charge)
        if verdict is Verdict.GRANTED:
            self.requests += UNIT
            self._charge(charge, charge)
            self.held[lease] = Held(expires, charge, least, self.day)
        return verdict

    def renew(self, lease: str, expires: int, *, known: int, used: int) -> None:
        """Keep a reservation; one that expired while its process slept is taken up from what was known."""
        held = self.held.get(lease) or Held(expires, known, known, self.day)
        self.held[lease] = Held(expires, held.charged, max(held.reported, used), held.day)

    def settle(self, lease: str, *, known: int, used: int) -> None:
        """Replace the charge by the truth; one that expired has been charged what was known."""
        if lease in self.held:
            self._charge(*self._take(lease, used))
        else:
            self._charge(max(0, used - known), max(0, used - known))

    def reading(self) -> Reading:
        """The books as they stand."""
        last = max((held.expires for held in self.held.values()), default=self.at)
        return Reading(self.at, self.requests, self.tokens, self.day_tokens, len(self.held), last)

    def is_blank(self) -> bool:
        """Whether forgetting them changes nothing."""
        return not (self.requests or self.tokens or self.day_tokens or self.held)

    def _verdict(self, tier: Tier, charge: int) -> Verdict:
        if self.day_tokens + charge > tier.tokens_per_day:
            return Verdict.DAY
        if self.tokens + charge * UNIT > tier.tokens_per_minute * UNIT:
            return Verdict.TOKENS
        if self.requests + UNIT > tier.burst * UNIT:
            return Verdict.REQUESTS
        if len(self.held) >= tier.in_flight:
            return Verdict.IN_FLIGHT
        return Verdict.GRANTED

    def _settle_orphans(self) -> None:
        """Charge what crashed processes last reported: as one sum, so that no order counts."""
        orphans = [lease for lease, held in self.held.items() if held.expires <= self.at]
        amounts = [self._take(lease, self.held[lease].reported) for lease in orphans]
        self._charge(sum(amount for amount, _ in amounts), sum(today for _, today in amounts))

    def _take(self, lease: str, used: int) -> tuple[int, int]:
        """Take a lease out; what is still to be charged for it, in all and to this day."""
        held = self.held.pop(lease)
        amount = used - held.charged
        return amount, amount if held.day == self.day else 0

    def _charge(self, amount: int, amount_today: int) -> None:
        self.tokens = min(HIGHEST_LEVEL, max(0, self.tokens + amount * UNIT))
        self.day_tokens = max(0, self.day_tokens + amount_today)
