"""What becomes of a drafted block once the network has read it?"""

from collections.abc import Sequence

from nemotron_backend.embedded.decode.acceptance import num_accepted
from nemotron_backend.embedded.decode.evidence import emitted, traced
from nemotron_backend.embedded.runner import Piece, piece_of
from nemotron_backend.embedded.scheduler import Chunk
from nemotron_backend.embedded.sequence import Sequence as TokenSequence
from nemotron_backend.request import Token, TracedToken


def known_piece(chunk: Chunk) -> Piece:
    """A part of a prompt, the last token of an answer, or that and what was drafted behind it."""
    block = chunk.sequence.block
    if block is None or len(block.token_ids) == 1:
        return piece_of(chunk)
    return Piece(
        sequence=chunk.sequence,
        token_ids=block.token_ids,
        logits_of=range(len(block.token_ids)),
        is_revocable=True,
    )


def judged(
    sequence: TokenSequence, drafted: Sequence[int], tokens: Sequence[Token]
) -> tuple[TracedToken, ...]:
    """Take back what was drafted in vain; gives what became of each drafted token, and the one on top."""
    place, num_right = sequence.num_answered, num_accepted(drafted, tokens)
    length = sequence.num_computed - len(drafted) + num_right
    for layer in sequence.cache:
        layer.truncate(length)
    sequence.num_computed = length
    sequence.pace.learn(len(drafted), num_right)
    return (
        *traced(place, drafted[:num_right], "accepted"),
        *traced(place + num_right, drafted[num_right:], "rejected"),
        *emitted(place + num_right, tokens[num_right:], "bonus"),
    )
