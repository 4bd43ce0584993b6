"""How does a sequence get its next token, one at a time from left to right?"""

from collections.abc import Sequence

from nemotron_backend.embedded.decode.advance import Advance, Clock
from nemotron_backend.embedded.decode.drawing import draw
from nemotron_backend.embedded.decode.evidence import emitted
from nemotron_backend.embedded.runner import piece_of, run
from nemotron_backend.embedded.scheduler import Chunk
from nemotron_backend.model.network import Network
from nemotron_backend.request import Forward, ForwardKind


def step(network: Network, chunks: Sequence[Chunk], clock: Clock) -> list[Advance]:
    """Run every chunk in one forward, and draw one token where all before it is known."""
    kinds: list[ForwardKind] = ["prefill" if c.sequence.is_prefilling else "decode" for c in chunks]
    pieces = [piece_of(chunk) for chunk in chunks]
    started = clock()
    logits = run(network, pieces)
    milliseconds = 1000 * (clock() - started)
    advances: list[Advance] = []
    for piece, kind, rows in zip(pieces, kinds, logits, strict=True):
        sequence = piece.sequence
        tokens = tuple(draw(sequence, row) for row in rows)
        sequence.record(
            Forward(kind=kind, milliseconds=milliseconds, tokens=emitted(sequence.num_answered, tokens))
        )
        advances.append(Advance(sequence, tokens))
    return advances
