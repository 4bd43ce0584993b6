"""Which places of a block are still masked, and which of them are revealed next?"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from nemotron_backend.request import Decoding, Token


@dataclass(frozen=True, slots=True, eq=False)
class Guess:
    """What a masked place would become, and how sure the network is of it.

    `chances` [vocabulary] are what it was drawn from, where it was drawn and not the likeliest.
    """

    place: int
    token_id: int
    confidence: float
    chances: Tensor | None = None


class Block:
    """Tokens of which the first is known. Revealed ones stay, so a beginning without masks is final.

    `tokens` holds what was revealed, by place, for those who emit it, and `chances` what it was drawn from.
    """

    def __init__(self, first: int, length: int, mask_id: int, decoding: Decoding) -> None:
        self.token_ids = [first] + [mask_id] * (length - 1)
        self.masked = list(range(1, length))
        self.tokens: dict[int, Token] = {}
        self.chances: dict[int, Tensor] = {}
        self._decoding = decoding
        self._steps_left = min(decoding.num_steps, length - 1)

    @property
    def num_final(self) -> int:
        """Tokens before the first mask."""
        return self.masked[0] if self.masked else len(self.token_ids)

    def reveal(self, guesses: Sequence[Guess]) -> list[Guess]:
        """Put in place what is to be revealed of one guess for every mask; gives it from left to right."""
        if self._decoding.order == "leftmost":
            ranked = list(guesses)
        else:
            ranked = sorted(guesses, key=lambda guess: -guess.confidence)
        chosen = sorted(ranked[: self._num_revealed(ranked)], key=lambda guess: guess.place)
        self.fill(chosen)
        return chosen

    def fill(self, guesses: Sequence[Guess]) -> None:
        """Put these in place, whatever order is asked for."""
        for guess in guesses:
            self.token_ids[guess.place] = guess.token_id
            self.masked.remove(guess.place)
            if guess.chances is not None:
                self.chances[guess.place] = guess.chances

    def _num_revealed(self, ranked: Sequence[Guess]) -> int:
        if self._steps_left:
            share = -(-len(ranked) // self._steps_left)
            self._steps_left -= 1
            return share
        unsure = (rank for rank, guess in enumerate(ranked) if guess.confidence < self._decoding.threshold)
        return max(1, next(unsure, len(ranked)))
