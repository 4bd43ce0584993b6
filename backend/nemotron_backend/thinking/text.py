"""Which part of a text is thought, and which is answer?"""

from nemotron_backend.request import Delta

_END = "</think>"


class Trim:
    """Text without the line ends around it; those at its end are held back until more text follows."""

    def __init__(self, *, keeps_end: bool) -> None:
        self._keeps_end = keeps_end
        self._has_begun = False
        self._held = ""

    def push(self, text: str) -> str:
        """What of the next piece is shown."""
        text = self._held + text
        if not self._has_begun:
            text = text.lstrip("\n")
        self._has_begun = self._has_begun or bool(text)
        shown = text if self._keeps_end else text.rstrip("\n")
        self._held = text[len(shown) :]
        return shown


def split(delta: Delta, place: int) -> tuple[str, str]:
    """A delta's text before and behind the token at `place`, which ends the thoughts."""
    before, end, behind = delta.text.partition(_END)
    if end:
        return before, behind
    # Where the token is a special one, it has no text.
    thought = b"".join(token.bytes for token in delta.tokens[:place]).decode("utf-8", errors="replace")
    return delta.text[: len(thought)], delta.text[len(thought) :]
