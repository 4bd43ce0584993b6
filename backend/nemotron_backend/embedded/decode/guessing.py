"""What would the network put behind each mask of a block?

The mask itself is no answer, so it is never guessed; it keeps its part of the probability all the same, as
confidence is what the network says.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nemotron_backend.embedded.decode.canvas import Canvas, Guess
from nemotron_backend.embedded.runner import Piece
from nemotron_backend.embedded.sequence import Sequence as TokenSequence
from nemotron_backend.model.network import Masking, Network

Choose = Callable[[Tensor], int]


def masking_of(network: Network) -> Masking:
    """How the network fills in masks, for a variant that is served only where it can."""
    masking = network.masking
    if masking is None:
        raise TypeError(f"a {type(network).__name__} without masks was asked to fill them in")
    return masking


def new_canvas(sequence: TokenSequence, length: int, masking: Masking) -> Canvas:
    """The last known token, and masks behind it."""
    return Canvas(sequence.token_ids[-1], length, masking.mask_id, sequence.decoding)


def canvas_piece(sequence: TokenSequence, canvas: Canvas) -> Piece:
    """The block as it is, seen both ways, with logits for its masks."""
    return Piece(
        sequence=sequence, token_ids=canvas.token_ids, logits_of=tuple(canvas.masked), is_causal=False
    )


def guess(canvas: Canvas, logits: Tensor, mask_id: int, choose: Choose) -> Sequence[Guess]:
    """A guess for every mask from its row of logits [masks, vocabulary]; `choose` picks from a row."""
    allowed = logits.clone()
    allowed[:, mask_id] = -torch.inf
    chosen = [choose(row) for row in allowed]
    confidence = logits.softmax(dim=-1)[torch.arange(len(chosen)), torch.tensor(chosen)].tolist()
    return [
        Guess(place, token_id, sure)
        for place, token_id, sure in zip(canvas.masked, chosen, confidence, strict=True)
    ]
