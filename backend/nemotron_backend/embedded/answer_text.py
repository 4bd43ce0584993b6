"""When does a token's text become final?

Text is held back while a character is incomplete, and while it may be the beginning of a stop string.
"""

import codecs
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from nemotron_backend.embedded.vocabulary import Vocabulary
from nemotron_backend.request import Token


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that is final, with the tokens that it began in."""

    text: str
    tokens: tuple[Token, ...]


class AnswerText:
    """Turns the tokens of one answer into text, up to the first stop string."""

    def __init__(self, vocabulary: Vocabulary, stop_strings: tuple[str, ...]) -> None:
        self._special = vocabulary.special
        self._stop_strings = stop_strings
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._released = 0
        self._tokens: deque[tuple[int, Token]] = deque()
        self.is_stopped = False

    def push(self, token: Token) -> Piece:
        """Take the next token; gives what became final."""
        self._tokens.append((self._released + len(self._held), token))
        self._held += self._decoder.decode(b"" if token.id in self._special else token.bytes)
        cut = self._stop_position()
        if cut is not None:
            self.is_stopped = True
            return self._release(cut, lambda start, end: start < end)
        return self._release(len(self._held) - self._num_undecided(), self._begins_in_final_text)

    def stop_at(self, strings: tuple[str, ...]) -> None:
        """The strings that end the text that comes from now on."""
        self._stop_strings = strings

    def finish(self) -> Piece:
        """What was held back, now that no token follows; an incomplete last character is dropped."""
        if self.is_stopped:
            return Piece("", ())
        return self._release(len(self._held), lambda start, end: True)

    def _stop_position(self) -> int | None:
        found = (self._held.find(string) for string in self._stop_strings)
        return min((position for position in found if position >= 0), default=None)

    def _num_undecided(self) -> int:
        """Characters at the end that are the beginning of a stop string."""
        return max((_overlap(self._held, string) for string in self._stop_strings), default=0)

    def _begins_in_final_text(self, start: int, end: int) -> bool:
        nothing_pends = not self._held and not self._decoder.getstate()[0]
        return start < end or nothing_pends

    def _release(self, length: int, is_final: Callable[[int, int], bool]) -> Piece:
        text, self._held = self._held[:length], self._held[length:]
        self._released += length
        tokens: list[Token] = []
        while self._tokens and is_final(self._tokens[0][0], self._released):
            tokens.append(self._tokens.popleft()[1])
        return Piece(text, tuple(tokens))


def _overlap(text: str, string: str) -> int:
    """Length of the longest end of `text` that is a proper beginning of `string`."""
    longest = min(len(text), len(string) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(string[:size])), 0)
