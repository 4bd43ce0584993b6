"""How does a sequence get its scores, instead of a next token?"""

from collections.abc import Sequence

from nemotron_backend.embedded.decode.advance import Advance, Clock
from nemotron_backend.embedded.runner import piece_of, run
from nemotron_backend.embedded.scheduler import Chunk
from nemotron_backend.model.network import Network
from nemotron_backend.request import Forward, Score


def step(network: Network, chunks: Sequence[Chunk], clock: Clock) -> list[Advance]:
    """Run every chunk in one forward, and read the scores at the last token of those that are read whole."""
    started = clock()
    logits = run(network, [piece_of(chunk) for chunk in chunks])
    forward = Forward(kind="prefill", milliseconds=1000 * (clock() - started), tokens=())
    advances: list[Advance] = []
    for chunk, rows in zip(chunks, logits, strict=True):
        names = chunk.sequence.attributes
        values = [value for row in rows for value in row.tolist()]
        chunk.sequence.record(forward)
        scores = zip(names, values, strict=True) if values else ()
        advances.append(
            Advance(chunk.sequence, scores=tuple(Score(name=name, value=value) for name, value in scores))
        )
    return advances
