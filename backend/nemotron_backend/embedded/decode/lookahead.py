"""How does the forward that verifies a draft make the next one as well?

Nobody knows beforehand how many drafted tokens will stand, so behind each of them a group of masks looks
ahead as if it were the last. Each group sees the tokens up to its own and itself; those see no masks, so
what they say and leave in the cache is what left to right would. The group behind the last token that stands
is the next draft, but for its first mask, whose token the verifying itself gives.
"""

from torch import Tensor

from nemotron_backend.embedded.decode.block import Block
from nemotron_backend.embedded.decode.drafting import guess, traced_draft
from nemotron_backend.embedded.runner import Piece
from nemotron_backend.embedded.sequence import Sequence as TokenSequence
from nemotron_backend.model.network import Masking
from nemotron_backend.request import TracedToken


def lookahead(known: Piece, num_groups: int, length: int, masking: Masking) -> Piece | None:
    """Masks behind each of the last tokens of a piece; none where the next block has but its known token."""
    if length < 2:
        return None
    size = length
    return Piece(
        sequence=known.sequence,
        token_ids=[masking.mask_id] * (num_groups * size),
        logits_of=[row for row in range(num_groups * size) if row % size],
        is_causal=False,
        ahead=len(known.token_ids) - num_groups + 1,
        num_groups=num_groups,
    )


def next_block(
    sequence: TokenSequence, last: int, num_new: int, logits: Tensor, masking: Masking
) -> tuple[Block, tuple[TracedToken, ...]]:
    """The block that begins with the `last` of `num_new` tokens, drafted by the rows of its group."""
    length = min(len(logits) + 1, sequence.num_left - num_new)
    block = Block(last, length, masking.mask_id, sequence.decoding)
    if length < 2:
        return block, ()
    drafted = guess(sequence, block, logits[: length - 1], masking)
    block.fill(drafted)
    return block, traced_draft(sequence.num_answered + num_new - 1, drafted)
