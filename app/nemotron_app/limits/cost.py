"""What may a request cost, before anyone knows what it will?"""

from dataclasses import dataclass
from fractions import Fraction

from nemotron_app.limits.errors import InvalidAmount

# A hundred times the longest context; in the ledger's units, with the largest weight, it is below 2**50.
MOST_TOKENS = 10**8
LARGEST_WEIGHT = 100


def checked(name: str, amount: int, largest: int) -> int:
    """The amount, if it is one. Raises InvalidAmount."""
    if type(amount) is not int or not 0 <= amount <= largest:
        raise InvalidAmount(f"{name} must be a whole number from 0 to {largest}, not {amount!r}")
    return amount


def checked_use(used: int) -> int:
    """An amount of weighted tokens, if it is one. Raises InvalidAmount."""
    return checked("the use in weighted tokens", used, MOST_TOKENS * LARGEST_WEIGHT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Tokens of the prompt, the most that may be made from it, and what a token of the variant weighs."""

    prompt_tokens: int
    max_completion_tokens: int
    weight: Fraction

    def __post_init__(self) -> None:
        checked("the number of prompt tokens", self.prompt_tokens, MOST_TOKENS)
        checked("the number of completion tokens", self.max_completion_tokens, MOST_TOKENS)
        checked("the number of all tokens", self.prompt_tokens + self.max_completion_tokens, MOST_TOKENS)
        if not 0 <= self.weight <= LARGEST_WEIGHT:
            raise InvalidAmount(f"a weight must lie between 0 and {LARGEST_WEIGHT}, not {self.weight}")

    @property
    def most(self) -> int:
        """What is set aside at the start."""
        return self.of(self.prompt_tokens + self.max_completion_tokens)

    @property
    def least(self) -> int:
        """What is charged if the process dies before it has reported anything: reading the prompt."""
        return self.of(self.prompt_tokens)

    def of(self, tokens: int) -> int:
        """Weighted tokens, rounded up so that nothing is free by rounding."""
        return -(-tokens * self.weight.numerator // self.weight.denominator)
