"""How many drafted tokens stand, and which token follows them?

By `match`, tokens are drawn as from left to right, with the same random numbers, and a drafted token stands
where it is what was drawn. By `rejection` (Leviathan and others, 2023) a token that was drafted with chance
q and has chance p stands with chance min(1, p / q); else one is drawn from what p has more than q. Both
leave the distribution of left to right; the second lets more drafted tokens stand, and gives other tokens
than left to right does for the same seed. A likeliest token is the same by either.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from nemotron_backend.embedded.decode.block import Block
from nemotron_backend.embedded.logprobs import token_of
from nemotron_backend.embedded.sampler import Sampler
from nemotron_backend.embedded.sequence import Sequence as TokenSequence
from nemotron_backend.request import Token
from nemotron_kernels.draft_verification import residual


def accept(sequence: TokenSequence, block: Block | None, logits: Sequence[Tensor]) -> tuple[Token, ...]:
    """What the sequence says, from rows of logits after each token of a block that was drafted.

    Tokens as drafted, as far as they stand, and one more, unless the answer ends before.
    """
    drafted = block.token_ids[1:] if block is not None else []
    tokens: list[Token] = []
    for place, row in enumerate(logits):
        token_id = _token_id(sequence, block, place + 1, row)
        sequence.sampler.observe(token_id)
        tokens.append(token_of(token_id, row, sequence))
        stands = place < len(drafted) and drafted[place] == token_id
        if not stands or sequence.ends(token_id):
            break
    return tuple(tokens)


def num_accepted(drafted: Sequence[int], tokens: Sequence[Token]) -> int:
    """How many of the drafted tokens stand, given what the sequence says."""
    return len(tokens) - (tokens[-1].id not in drafted[len(tokens) - 1 : len(tokens)])


def _token_id(sequence: TokenSequence, block: Block | None, place: int, row: Tensor) -> int:
    sampler = sequence.sampler
    by_chance = sequence.decoding.acceptance == "rejection" and not sampler.is_greedy
    if not by_chance or block is None or place == len(block.token_ids):
        return sampler.draw(row)
    return choose(sampler, sampler.chances(row), block.token_ids[place], block.chances.get(place))


def choose(sampler: Sampler, wanted: Tensor, drafted: int, chances: Tensor | None) -> int:
    """The drafted token or another, so that over all drafts each comes with its `wanted` chance.

    `chances` are those that the draft was drawn with; without them the drafted token was certain.
    """
    certainty = float(chances[drafted]) if chances is not None else 1.0
    if sampler.uniform() * certainty < float(wanted[drafted]):
        return drafted
    return sampler.pick(residual(wanted, torch.tensor(drafted), chances))
