"""How many tokens are worth drafting, after what became of the last drafts?

A forward over k tokens costs about 1 + k / 24 forwards over one (measured on a CPU with 4M parameters), and
a cycle needs two. Where each drafted token is accepted with the same chance, that gives every length its
tokens a cost; the best length wins, and 1 means to go on without drafts. A draft is tried now and then all
the same, ever more rarely, so that text which cannot be drafted costs a few forwards in a hundred.
"""

from collections.abc import Callable

from nemotron_backend.request import Drafting

# Forwards over one token that a block of so many tokens costs, drafting and verifying.
Cost = Callable[[int], float]

# What NVIDIA serves its largest hybrid with: five drafted tokens behind the known one.
LONGEST_PREDICTION = 6
_COST_OF_A_TOKEN = 1 / 24
# Where states are stepped token by token, in a hybrid of 21M parameters.
_COST_OF_A_STEPPED_TOKEN = 1 / 5
_MEMORY = 0.9  # of the evidence so far, what a new draft leaves
_FIRST_PAUSE, _LONGEST_PAUSE = 16, 128


class Pace:
    """Looks at one sequence's drafts alone, so that neighbours do not change what it does."""

    def __init__(self) -> None:
        # The hope at the start is four tokens accepted before one is not, and one wholly wrong draft ends it.
        self._accepted = 2.4
        self._refused = 0.6
        self._pause = _FIRST_PAUSE
        self._idle = 0

    def length(self, longest: int, cost: Cost | None = None) -> int:
        """Tokens of the next block, the known first one included: a power of two, or `longest`."""
        best = max(_lengths(longest), key=lambda length: self._gain(length, cost or cost_of_cycle))
        if best > 1:
            return best
        self._idle += 1
        if self._idle < self._pause:
            return 1
        self._idle, self._pause = 0, min(2 * self._pause, _LONGEST_PAUSE)
        return min(4, longest)

    def learn(self, num_drafted: int, num_accepted: int) -> None:
        """Take in how far a draft was right."""
        self._accepted = _MEMORY * self._accepted + num_accepted
        self._refused = _MEMORY * self._refused + (num_accepted < num_drafted)
        if num_accepted == num_drafted:
            self._pause = _FIRST_PAUSE

    def _gain(self, length: int, cost: Cost) -> float:
        """Tokens for the cost of a forward over one."""
        chance = self._accepted / (self._accepted + self._refused)
        expected = sum(chance**place for place in range(length))
        return expected / cost(length)


def cost_of_cycle(length: int, drafting: Drafting = "linear") -> float:
    """The cost where masks are filled in, once it goes on like this."""
    if length == 1:
        return 1.0
    if drafting == "quadratic":
        return _cost(length * (length + 1))
    return 2 * _cost(length)


def cost_of_prediction(length: int, cost_of_step: float) -> float:
    """The cost where a block predicts, each of whose steps costs a part of a forward."""
    return 1 + (_COST_OF_A_STEPPED_TOKEN + cost_of_step) * (length - 1)


def _cost(num_tokens: int) -> float:
    return 1 + _COST_OF_A_TOKEN * (num_tokens - 1)


def _lengths(longest: int) -> list[int]:
    powers = [1 << exponent for exponent in range(longest.bit_length())]
    return powers if powers[-1] == longest else [*powers, longest]
