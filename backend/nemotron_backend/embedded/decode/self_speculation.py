"""How does a sequence draft its own next tokens, and keep those that it would have said anyway?

A draft fills a block of masks in forwards that see it both ways, through the draft adapter, and leaves
nothing in the cache. One causal forward without the adapter then says what comes after each token of the
block. Tokens are drawn from it as from left to right, with the same random numbers, for as long as the
draft agrees; the first that differs is kept as well, and what was drafted behind it is taken back. So the
answer is the one of token-by-token decoding, whatever was drafted.
"""

from collections.abc import Mapping, Sequence

from torch import Tensor

from nemotron_backend.embedded.decode.advance import Advance, Clock
from nemotron_backend.embedded.decode.canvas import Canvas
from nemotron_backend.embedded.decode.drawing import draw
from nemotron_backend.embedded.decode.evidence import emitted, traced
from nemotron_backend.embedded.decode.guessing import canvas_piece, guess, masking_of, new_canvas
from nemotron_backend.embedded.runner import Piece, piece_of, run
from nemotron_backend.embedded.scheduler import Chunk
from nemotron_backend.embedded.sequence import Sequence as TokenSequence
from nemotron_backend.model.network import Masking, Network
from nemotron_backend.request import Forward, ForwardKind, Token, TracedToken

_Drafts = Mapping[TokenSequence, Canvas]


def step(network: Network, chunks: Sequence[Chunk], clock: Clock) -> list[Advance]:
    """Draft for every running answer, then verify all drafts beside the prompts' next parts."""
    drafts = _draft(network, chunks, clock)
    kinds: list[ForwardKind] = [_kind(chunk, drafts) for chunk in chunks]
    pieces = [_piece(chunk, drafts) for chunk in chunks]
    started = clock()
    logits = run(network, pieces)
    milliseconds = 1000 * (clock() - started)
    advances: list[Advance] = []
    for piece, kind, rows in zip(pieces, kinds, logits, strict=True):
        sequence = piece.sequence
        tokens = _verified(sequence, piece.token_ids[1:] if kind == "verify" else (), rows)
        evidence = _judged(sequence, piece, tokens) if kind == "verify" else ()
        evidence = evidence or emitted(sequence.num_answered, tokens)
        sequence.record(Forward(kind=kind, milliseconds=milliseconds, tokens=evidence))
        advances.append(Advance(sequence, tokens))
    return advances


def _draft(network: Network, chunks: Sequence[Chunk], clock: Clock) -> _Drafts:
    masking = masking_of(network)
    answering = [chunk.sequence for chunk in chunks if not chunk.sequence.is_prefilling]
    lengths = {sequence: _length(sequence, masking) for sequence in answering}
    drafts = {s: new_canvas(s, length, masking) for s, length in lengths.items() if length > 1}
    while unfinished := {s: canvas for s, canvas in drafts.items() if canvas.masked}:
        started = clock()
        pieces = [canvas_piece(sequence, canvas) for sequence, canvas in unfinished.items()]
        logits = run(network, pieces, is_draft=True)
        milliseconds = 1000 * (clock() - started)
        for (sequence, canvas), rows in zip(unfinished.items(), logits, strict=True):
            _fill(sequence, canvas, rows, masking, milliseconds)
    return drafts


def _length(sequence: TokenSequence, masking: Masking) -> int:
    """A block gives at most as many tokens as it has, so none longer than the rest of the answer is used."""
    asked = sequence.decoding.block_length
    if asked:
        return min(asked, sequence.num_left)
    return sequence.pace.length(min(masking.block_length, sequence.num_left))


def _fill(
    sequence: TokenSequence, canvas: Canvas, logits: Tensor, masking: Masking, milliseconds: float
) -> None:
    def likeliest(row: Tensor) -> int:
        return int(sequence.sampler.adjust(row).argmax())

    revealed = canvas.reveal(guess(canvas, logits, masking.mask_id, likeliest))
    place = sequence.num_answered - 1
    tokens = tuple(
        TracedToken(position=place + guess.place, id=guess.token_id, state="drafted") for guess in revealed
    )
    sequence.record(Forward(kind="draft", milliseconds=milliseconds, tokens=tokens))


def _kind(chunk: Chunk, drafts: _Drafts) -> ForwardKind:
    if chunk.sequence.is_prefilling:
        return "prefill"
    return "verify" if chunk.sequence in drafts else "decode"


def _piece(chunk: Chunk, drafts: _Drafts) -> Piece:
    canvas = drafts.get(chunk.sequence)
    if canvas is None:
        return piece_of(chunk)
    return Piece(
        sequence=chunk.sequence,
        token_ids=canvas.token_ids,
        logits_of=range(len(canvas.token_ids)),
        is_revocable=True,
    )


def _verified(sequence: TokenSequence, drafted: Sequence[int], logits: Tensor) -> tuple[Token, ...]:
    """What the sequence says, for as long as the draft said so too, and one token more."""
    tokens: list[Token] = []
    for place, row in enumerate(logits):
        tokens.append(draw(sequence, row))
        is_right = place < len(drafted) and drafted[place] == tokens[-1].id
        if not is_right or sequence.ends(tokens[-1].id):
            break
    return tuple(tokens)


def _judged(sequence: TokenSequence, piece: Piece, tokens: Sequence[Token]) -> tuple[TracedToken, ...]:
    """Take back what was drafted in vain; gives what became of each drafted token, and the one on top."""
    drafted, place = piece.token_ids[1:], sequence.num_answered
    num_right = len(tokens) - (tokens[-1].id not in drafted[len(tokens) - 1 : len(tokens)])
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
