"""What did one step bring one sequence?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nemotron_backend.embedded.scheduler import Chunk
from nemotron_backend.embedded.sequence import Sequence as TokenSequence
from nemotron_backend.model.network import Network
from nemotron_backend.request import Score, Token


@dataclass(frozen=True, slots=True)
class Advance:
    """New tokens that will not change, or scores; prompts that are not complete yet bring none."""

    sequence: TokenSequence
    tokens: tuple[Token, ...] = ()
    scores: tuple[Score, ...] = ()


Clock = Callable[[], float]
# A decode mode: runs chunks of sequences of one variant, in as many forwards as it takes.
Mode = Callable[[Network, Sequence[Chunk], Clock], list[Advance]]
