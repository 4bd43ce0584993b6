"""How does a sequence draft by a block that predicts further tokens, and keep what it would have said anyway?

The block drafts one token after another, each from what it made of the one before. A causal forward of the
whole network then says what comes after each, and what was drafted in vain is taken back: keys, values and
states. The steps of one draft count as one forward, as together they run a small part of the network.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from nemotron_backend.embedded.decode.acceptance import accept
from nemotron_backend.embedded.decode.advance import Advance, Clock
from nemotron_backend.embedded.decode.block import Block, Guess
from nemotron_backend.embedded.decode.drafting import traced_draft
from nemotron_backend.embedded.decode.evidence import emitted
from nemotron_backend.embedded.decode.pace import LONGEST_PREDICTION, cost_of_prediction
from nemotron_backend.embedded.decode.verifying import judged, known_piece
from nemotron_backend.embedded.runner import Piece, run
from nemotron_backend.embedded.scheduler import Chunk
from nemotron_backend.embedded.sequence import Sequence as TokenSequence
from nemotron_backend.model.network import Ahead, Network, Predictor
from nemotron_backend.request import Forward, ForwardKind
from nemotron_kernels.diffusion_sampler import confidence

_NOT_DRAFTED = -1
_NO_MASKS = (
    "This model has no masks to draft with beside the verifying, so it drafts one token after another, "
    "and the answer is the same."
)


def step(network: Network, chunks: Sequence[Chunk], clock: Clock) -> list[Advance]:
    """A draft for every answer that has none, or else one forward for all sequences, to verify and go on."""
    predictor = _predictor_of(network)
    answering = [chunk.sequence for chunk in chunks if not chunk.sequence.is_prefilling]
    for sequence in answering:
        if sequence.block is None:
            sequence.block = _new_block(sequence, predictor)
    unfinished = [s for s in answering if s.block is not None and s.block.masked]
    if unfinished:
        return _draft(predictor, unfinished, clock)
    pieces = [known_piece(chunk) for chunk in chunks]
    kinds = [_kind(piece) for piece in pieces]
    started = clock()
    logits = run(network, pieces, is_followed=True)
    milliseconds = 1000 * (clock() - started)
    return [
        _advance(piece.sequence, kind, rows, milliseconds)
        for piece, kind, rows in zip(pieces, kinds, logits, strict=True)
    ]


def _predictor_of(network: Network) -> Predictor:
    predictor = network.predictor
    if predictor is None:
        raise TypeError(f"a {type(network).__name__} without a block that predicts was asked to draft")
    return predictor


def _new_block(sequence: TokenSequence, predictor: Predictor) -> Block:
    """The known token and places behind it, never more than are left of the answer."""
    if sequence.decoding.drafting == "quadratic":
        sequence.notice = _NO_MASKS
    length = 1
    if predictor.can_predict(sequence.cache):
        length = _length(sequence, predictor.cost_of_step)
    return Block(sequence.token_ids[-1], length, _NOT_DRAFTED, sequence.decoding)


def _length(sequence: TokenSequence, cost_of_step: float) -> int:
    asked = sequence.decoding.block_length
    if asked:
        return min(asked, sequence.num_left)
    cost = partial(cost_of_prediction, cost_of_step=cost_of_step)
    return sequence.pace.length(min(LONGEST_PREDICTION, sequence.num_left), cost)


def _draft(predictor: Predictor, sequences: Sequence[TokenSequence], clock: Clock) -> list[Advance]:
    blocks = {sequence: sequence.block for sequence in sequences if sequence.block is not None}
    drafted: dict[TokenSequence, list[Guess]] = {sequence: [] for sequence in blocks}
    started = clock()
    while unfinished := {sequence: block for sequence, block in blocks.items() if block.masked}:
        last = [block.token_ids[block.num_final - 1] for block in unfinished.values()]
        aheads = [
            Ahead(cache=sequence.cache, token_id=token_id)
            for sequence, token_id in zip(unfinished, last, strict=True)
        ]
        for (sequence, block), row in zip(unfinished.items(), predictor.predict(aheads), strict=True):
            guess = _guess(sequence, block.num_final, row)
            block.fill([guess])
            drafted[sequence].append(guess)
    milliseconds = 1000 * (clock() - started)
    for sequence, guesses in drafted.items():
        tokens = traced_draft(sequence.num_answered - 1, guesses)
        sequence.record(Forward(kind="draft", milliseconds=milliseconds, tokens=tokens))
    return [Advance(sequence, ()) for sequence in sequences]


def _guess(sequence: TokenSequence, place: int, logits: Tensor) -> Guess:
    """The likeliest token, or where drafts stand by chance, one that is drawn."""
    sampler = sequence.sampler
    if sampler.is_greedy or sequence.decoding.acceptance == "match":
        token_id, chances = int(sampler.adjust(logits).argmax()), None
    else:
        chances = sampler.chances(logits)
        token_id = sampler.pick(chances)
    sure = float(confidence(logits[None], torch.tensor([token_id])))
    return Guess(place, token_id, sure, chances)


def _kind(piece: Piece) -> ForwardKind:
    if piece.sequence.is_prefilling:
        return "prefill"
    return "verify" if piece.is_revocable else "decode"


def _advance(sequence: TokenSequence, kind: ForwardKind, logits: Tensor, milliseconds: float) -> Advance:
    block = sequence.block
    tokens = accept(sequence, block, list(logits))
    sequence.block = None
    evidence = emitted(sequence.num_answered, tokens)
    if block is not None and kind == "verify":
        evidence = judged(sequence, block.token_ids[1:], tokens)
    sequence.record(Forward(kind=kind, milliseconds=milliseconds, tokens=evidence))
    return Advance(sequence, tokens)
