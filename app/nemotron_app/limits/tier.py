"""How much may a caller spend?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

# Both implementations count in whole numbers below 2**53, which Lua's doubles hold exactly.
LARGEST_RATE = 10**9

_COUNTS = ("requests_per_minute", "burst", "tokens_per_minute", "tokens_per_day", "in_flight")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """The limits of one kind of caller. Tokens are weighted: see `weights`.

    Requests come back at `requests_per_minute` and at most `burst` of them can be saved up; tokens come
    back at `tokens_per_minute` and a whole minute of them can be saved up. `survives_outage` says whether
    such callers go on, under a share, while the shared store is down.
    """

    name: str
    requests_per_minute: int
    burst: int
    tokens_per_minute: int
    tokens_per_day: int
    in_flight: int
    survives_outage: bool

    def __post_init__(self) -> None:
        for name in _COUNTS:
            if not 1 <= getattr(self, name) <= LARGEST_RATE:
                raise ValueError(f"{name} of tier {self.name!r} must lie between 1 and {LARGEST_RATE}")

    def share(self, replicas: int) -> "Tier":
        """What one of `replicas` processes may grant by itself; never less than one of each."""
        return replace(self, **{name: max(1, getattr(self, name) // replicas) for name in _COUNTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInLimit:
    """How many failed sign-ins an address is forgiven: `burst` at once, `per_minute` come back."""

    per_minute: int
    burst: int


GUEST = Tier(
    name="guest",
    requests_per_minute=10,
    burst=5,
    tokens_per_minute=20_000,
    tokens_per_day=50_000,
    in_flight=2,
    survives_outage=False,
)
FREE = Tier(
    name="free",
    requests_per_minute=40,
    burst=10,
    tokens_per_minute=60_000,
    tokens_per_day=1_000_000,
    in_flight=4,
    survives_outage=True,
)
PLUS = Tier(
    name="plus",
    requests_per_minute=240,
    burst=40,
    tokens_per_minute=400_000,
    tokens_per_day=20_000_000,
    in_flight=16,
    survives_outage=True,
)
LOCAL = Tier(
    name="local",
    requests_per_minute=6_000,
    burst=1_000,
    tokens_per_minute=LARGEST_RATE,
    tokens_per_day=LARGEST_RATE,
    in_flight=256,
    survives_outage=True,
)

TIERS: Mapping[str, Tier] = {tier.name: tier for tier in (GUEST, FREE, PLUS, LOCAL)}

SIGN_IN = SignInLimit(per_minute=1, burst=10)
