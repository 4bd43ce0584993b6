"""How does a sequence get its tokens block by block, in whatever order they become sure?

A block is a known token and masks. Forwards that see it both ways reveal masks until none is left, and keep
nothing in the cache; one causal forward over the finished block does, and gives the next block's first
token. What has no mask before it will not change, so it is emitted at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from nemotron_backend.embedded.decode.advance import Advance, Clock
from nemotron_backend.embedded.decode.block import Block, Guess
from nemotron_backend.embedded.decode.drawing import draw
from nemotron_backend.embedded.decode.evidence import emitted
from nemotron_backend.embedded.decode.guessing import block_piece, guesses, masking_of, new_block
from nemotron_backend.embedded.logprobs import token_of
from nemotron_backend.embedded.runner import Piece, piece_of, run
from nemotron_backend.embedded.scheduler import Chunk
from nemotron_backend.embedded.sequence import Sequence as TokenSequence
from nemotron_backend.model.network import Masking, Network
from nemotron_backend.request import Forward, ForwardKind, Token, TracedToken
from nemotron_kernels.diffusion_sampler import without_mask


@dataclass(frozen=True, slots=True)
class _Task:
    kind: ForwardKind
    piece: Piece


def step(network: Network, chunks: Sequence[Chunk], clock: Clock) -> list[Advance]:
    """One forward for every sequence: a part of its prompt, a look at its block, or the block for good."""
    masking = masking_of(network)
    tasks = [_task(chunk, masking) for chunk in chunks]
    started = clock()
    logits = run(network, [task.piece for task in tasks])
    milliseconds = 1000 * (clock() - started)
    return [_advance(task, rows, masking, milliseconds) for task, rows in zip(tasks, logits, strict=True)]


def _task(chunk: Chunk, masking: Masking) -> _Task:
    sequence = chunk.sequence
    if sequence.is_prefilling:
        return _Task("prefill", piece_of(chunk))
    if sequence.block is None:
        length = sequence.decoding.block_length or masking.block_length
        sequence.block = new_block(sequence, length, masking)
    if sequence.block.masked:
        return _Task("denoise", block_piece(sequence, sequence.block))
    sequence.block = None
    return _Task("commit", piece_of(chunk))


def _advance(task: _Task, logits: Tensor, masking: Masking, milliseconds: float) -> Advance:
    sequence, block = task.piece.sequence, task.piece.sequence.block
    if task.kind == "denoise" and block is not None:
        allowed = without_mask(logits, masking.mask_id)
        chosen = [sequence.sampler.draw_by_noise(row) for row in allowed]
        rows = dict(zip(block.masked, logits, strict=True))
        revealed = block.reveal(guesses(block, logits, chosen))
        traced = _traced(sequence, revealed)
        block.tokens |= {
            guess.place: token_of(guess.token_id, rows[guess.place], sequence) for guess in revealed
        }
        tokens = _newly_final(sequence, block)
    else:
        tokens = tuple(draw(sequence, row) for row in logits)
        traced = emitted(sequence.num_answered, tokens)
    sequence.record(Forward(kind=task.kind, milliseconds=milliseconds, tokens=traced))
    return Advance(sequence, tokens)


def _traced(sequence: TokenSequence, revealed: Sequence[Guess]) -> tuple[TracedToken, ...]:
    first = sequence.num_computed - sequence.num_prompt
    return tuple(
        TracedToken(position=first + guess.place, id=guess.token_id, state="revealed") for guess in revealed
    )


def _newly_final(sequence: TokenSequence, block: Block) -> tuple[Token, ...]:
    """Tokens that are not emitted yet and have no mask before them."""
    tokens = tuple(block.tokens[place] for place in range(sequence.num_pending, block.num_final))
    for token in tokens:
        sequence.sampler.observe(token.id)
    return tokens
