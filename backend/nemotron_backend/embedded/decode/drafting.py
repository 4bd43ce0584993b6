"""What does a sequence expect to say next?

Masks are filled in with their likeliest tokens, as those are accepted most often by `match`. For `rejection`
they are drawn, and what they were drawn from is kept. That holds only where one forward fills all masks:
the order in which several reveal them would bend the chances, so there the likeliest is taken again.
"""

from collections.abc import Sequence

from torch import Tensor

from nemotron_backend.embedded.decode.advance import Advance, Clock
from nemotron_backend.embedded.decode.block import Block, Guess
from nemotron_backend.embedded.decode.guessing import block_piece, guesses
from nemotron_backend.embedded.runner import run
from nemotron_backend.embedded.sequence import Sequence as TokenSequence
from nemotron_backend.model.network import Masking, Network
from nemotron_backend.request import Decoding, Forward, TracedToken
from nemotron_kernels.diffusion_sampler import without_mask


def draft(
    network: Network, sequences: Sequence[TokenSequence], masking: Masking, clock: Clock
) -> list[Advance]:
    """One forward over the blocks of sequences that have masks left, which leaves nothing in the cache."""
    blocks = [sequence.block for sequence in sequences if sequence.block is not None]
    pieces = [block_piece(*pair) for pair in zip(sequences, blocks, strict=True)]
    started = clock()
    logits = run(network, pieces, is_draft=True)
    milliseconds = 1000 * (clock() - started)
    for sequence, block, rows in zip(sequences, blocks, logits, strict=True):
        revealed = block.reveal(guess(sequence, block, rows, masking))
        tokens = traced_draft(sequence.num_answered - 1, revealed)
        sequence.record(Forward(kind="draft", milliseconds=milliseconds, tokens=tokens))
    return [Advance(sequence, ()) for sequence in sequences]


def guess(sequence: TokenSequence, block: Block, logits: Tensor, masking: Masking) -> list[Guess]:
    """A token for every mask of a block from its row of logits [masks, vocabulary]."""
    sampler, rows = sequence.sampler, without_mask(logits, masking.mask_id)
    if sampler.is_greedy or not _is_drawn(sequence.decoding):
        return guesses(block, logits, [int(sampler.adjust(row).argmax()) for row in rows])
    chances = [sampler.chances(row) for row in rows]
    found = guesses(block, logits, [sampler.pick(row) for row in chances])
    return [
        Guess(guess.place, guess.token_id, guess.confidence, row)
        for guess, row in zip(found, chances, strict=True)
    ]


def traced_draft(place: int, drafted: Sequence[Guess]) -> tuple[TracedToken, ...]:
    """Drafted tokens of a block whose first token stands at a place of the answer."""
    return tuple(
        TracedToken(position=place + guess.place, id=guess.token_id, state="drafted") for guess in drafted
    )


def _is_drawn(decoding: Decoding) -> bool:
    is_one_forward = decoding.threshold <= 0 and decoding.num_steps <= 1
    return decoding.acceptance == "rejection" and (is_one_forward or decoding.drafting == "quadratic")
