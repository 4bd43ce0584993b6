"""How does a sequence draft its own next tokens, and keep those that it would have said anyway?

A draft fills a block of masks and leaves nothing in the cache. A causal forward then says what comes after
each token of the block, some drafted tokens stand, one more follows them, and the rest is taken back. So
the answer is the one of left to right, whatever was drafted. Linear drafts have forwards of their own, which
see the block both ways through the draft adapter; quadratic ones are made beside the verifying, without it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from nemotron_backend.embedded.decode.acceptance import accept
from nemotron_backend.embedded.decode.advance import Advance, Clock
from nemotron_backend.embedded.decode.block import Block
from nemotron_backend.embedded.decode.drafting import draft
from nemotron_backend.embedded.decode.evidence import emitted
from nemotron_backend.embedded.decode.guessing import masking_of, new_block
from nemotron_backend.embedded.decode.lookahead import lookahead, next_block
from nemotron_backend.embedded.decode.pace import cost_of_cycle
from nemotron_backend.embedded.decode.verifying import judged, known_piece
from nemotron_backend.embedded.runner import Piece, run
from nemotron_backend.embedded.scheduler import Chunk
from nemotron_backend.embedded.sequence import Sequence as TokenSequence
from nemotron_backend.model.network import Masking, Network
from nemotron_backend.request import Forward, ForwardKind

_NO_ADAPTER = (
    "The checkpoint has no draft adapter (linear_spec_lora): drafts come from the plain network, fewer of "
    "their tokens stand, and the answer is as right but slower."
)
_ADAPTER_IS_OFF = (
    "This model's masks are for its draft adapter, which is off where a forward also verifies: fewer of "
    "their tokens stand, and the answer is as right but slower. Linear drafts suit it."
)


@dataclass(frozen=True, slots=True)
class _Turn:
    """What a sequence puts into the cache, and the masks that look ahead of it, if any do."""

    kind: ForwardKind
    known: Piece
    ahead: Piece | None

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return (self.known,) if self.ahead is None else (self.known, self.ahead)


def step(network: Network, chunks: Sequence[Chunk], clock: Clock) -> list[Advance]:
    """One forward: for the drafts that are not whole, or else for all sequences, to verify and go on."""
    masking = masking_of(network)
    answering = [chunk.sequence for chunk in chunks if not chunk.sequence.is_prefilling]
    for sequence in answering:
        if sequence.block is None:
            sequence.block = _new_block(sequence, masking)
    unfinished = [s for s in answering if s.block is not None and s.block.masked]
    if unfinished:
        return draft(network, unfinished, masking, clock)
    turns = [_turn(chunk, masking) for chunk in chunks]
    started = clock()
    logits = iter(run(network, [piece for turn in turns for piece in turn.pieces]))
    milliseconds = 1000 * (clock() - started)
    return [_advance(turn, logits, masking, milliseconds) for turn in turns]


def _new_block(sequence: TokenSequence, masking: Masking) -> Block:
    """A block gives at most as many tokens as it has, so none longer than the rest of the answer is used."""
    if sequence.decoding.drafting == "quadratic":
        if masking.is_for_drafts:
            sequence.notice = _ADAPTER_IS_OFF
        return new_block(sequence, 1, masking)
    if masking.lacks_adapter:
        sequence.notice = _NO_ADAPTER
    return new_block(sequence, _length(sequence, sequence.num_left, masking), masking)


def _length(sequence: TokenSequence, most: int, masking: Masking) -> int:
    asked = sequence.decoding.block_length
    if asked:
        return min(asked, most)
    cost = partial(cost_of_cycle, drafting=sequence.decoding.drafting)
    return sequence.pace.length(min(masking.block_length, most), cost)


def _turn(chunk: Chunk, masking: Masking) -> _Turn:
    sequence = chunk.sequence
    known = known_piece(chunk)
    kind: ForwardKind = "verify" if known.is_revocable else "decode"
    if sequence.is_prefilling:
        kind = "prefill"
    # This forward gives one token at least, and the last of an answer has nothing to look ahead to.
    most = sequence.num_left - 1
    if sequence.decoding.drafting == "linear" or not known.logits_of or most < 1:
        return _Turn(kind, known, None)
    length = _length(sequence, most, masking)
    return _Turn(kind, known, lookahead(known, len(known.logits_of), length, masking))


def _advance(turn: _Turn, logits: Iterator[Tensor], masking: Masking, milliseconds: float) -> Advance:
    sequence, block = turn.known.sequence, turn.known.sequence.block
    tokens = accept(sequence, block, list(next(logits)))
    sequence.block = None
    evidence = emitted(sequence.num_answered, tokens)
    if block is not None and turn.kind == "verify":
        evidence = judged(sequence, block.token_ids[1:], tokens)
    if turn.ahead is not None:
        group = next(logits).chunk(turn.ahead.num_groups)[len(tokens) - 1]
        sequence.block, drafted = next_block(sequence, tokens[-1].id, len(tokens), group, masking)
        evidence += drafted
    sequence.record(Forward(kind=turn.kind, milliseconds=milliseconds, tokens=evidence))
    return Advance(sequence, tokens)
