"""What would the network put behind each mask of a block?

The mask itself is no answer, so it is never guessed; it keeps its part of the probability all the same, as
confidence is what the network says.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from nemotron_backend.embedded.decode.block import Block, Guess
from nemotron_backend.embedded.runner import Piece
from nemotron_backend.embedded.sequence import Sequence as TokenSequence
from nemotron_backend.model.network import Masking, Network
from nemotron_kernels.diffusion_sampler import confidence


def masking_of(network: Network) -> Masking:
    """How the network fills in masks, for a variant that is served only where it can."""
    masking = network.masking
    if masking is None:
        raise TypeError(f"a {type(network).__name__} without masks was asked to fill them in")
    return masking


def new_block(sequence: TokenSequence, length: int, masking: Masking) -> Block:
    """The last known token, and masks behind it."""
    return Block(sequence.token_ids[-1], length, masking.mask_id, sequence.decoding)


def block_piece(sequence: TokenSequence, block: Block) -> Piece:
    """The block as it is, seen both ways, with logits for its masks."""
    return Piece(sequence=sequence, token_ids=block.token_ids, logits_of=tuple(block.masked), is_causal=False)


def guesses(block: Block, logits: Tensor, token_ids: Sequence[int]) -> list[Guess]:
    """Tokens chosen for the masks of a block, from left to right, with the network's word on them."""
    sure = confidence(logits, torch.tensor(token_ids, dtype=torch.int64)).tolist()
    return [Guess(*guess) for guess in zip(block.masked, token_ids, sure, strict=True)]
