"""What does a caller see of a block while it is being filled in?"""

from collections.abc import Callable

from nemotron_backend.embedded.decode.block import Block
from nemotron_backend.request import Canvas, CanvasState, CanvasToken


class View:
    """Shows the places behind the certain tokens, to those who asked; an empty canvas ends what was shown."""

    def __init__(self, *, is_asked: bool, filled: CanvasState, bytes_of: Callable[[int], bytes]) -> None:
        self._is_asked = is_asked
        self._filled = filled
        self._bytes_of = bytes_of
        self._is_open = False

    def show(self, block: Block | None, num_known: int, position: int) -> Canvas | None:
        """The block without its `num_known` first tokens, `position` tokens into the answer."""
        if not self._is_asked:
            return None
        tokens = self._tokens(block, num_known) if block is not None else ()
        if not tokens and not self._is_open:
            return None
        self._is_open = bool(tokens)
        return Canvas(position=position, tokens=tokens)

    def _tokens(self, block: Block, num_known: int) -> tuple[CanvasToken, ...]:
        masked = set(block.masked)
        return tuple(
            CanvasToken(bytes=b"", state="masked")
            if place in masked
            else CanvasToken(bytes=self._bytes_of(block.token_ids[place]), state=self._filled)
            for place in range(num_known, len(block.token_ids))
        )
