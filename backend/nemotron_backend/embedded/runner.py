"""How do pieces of many sequences go through the network at once?"""

from collections.abc import Sequence as Tokens
from dataclasses import dataclass

import torch
from torch import Tensor

from nemotron_backend.embedded.scheduler import Chunk
from nemotron_backend.embedded.sequence import Sequence
from nemotron_backend.model.network import Batch, Network, Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Tokens of one sequence behind those in its cache; logits are wanted for some, counted from the first.

    A causal piece is in the cache afterwards. Where it `is_revocable`, its end can be taken back. Another may
    look `ahead` of so many tokens that pieces before it put into the cache in the same forward, in groups
    of which each stands one place behind the one before.
    """

    sequence: Sequence
    token_ids: Tokens[int]
    logits_of: Tokens[int]
    is_causal: bool = True
    is_revocable: bool = False
    ahead: int = 0
    num_groups: int = 1

    @property
    def begin(self) -> int:
        """The place of its first token."""
        return self.sequence.num_computed + self.ahead

    @property
    def positions(self) -> Tokens[int]:
        """The place of every token."""
        if self.num_groups == 1:
            return range(self.begin, self.begin + len(self.token_ids))
        size = len(self.token_ids) // self.num_groups
        groups = range(self.begin, self.begin + self.num_groups)
        return [place for first in groups for place in range(first, first + size)]


def piece_of(chunk: Chunk) -> Piece:
    """The known tokens of a chunk, with the last one's logits where nothing known follows."""
    sequence, begin = chunk.sequence, chunk.sequence.num_computed
    token_ids = sequence.token_ids[begin : begin + chunk.num_tokens]
    return Piece(
        sequence=sequence,
        token_ids=token_ids,
        logits_of=(len(token_ids) - 1,) if chunk.completes else (),
    )


def run(
    network: Network, pieces: Tokens[Piece], *, is_draft: bool = False, is_followed: bool = False
) -> tuple[Tensor, ...]:
    """Each piece's logits [wanted, vocabulary]; every causal piece is in its sequence's cache then.

    Where they are followed, what predicts further tokens sees them too.
    """
    logits = network.forward(_batch(pieces, is_draft, is_followed))
    for piece in pieces:
        piece.sequence.num_computed += len(piece.token_ids) if piece.is_causal else 0
    return torch.split(logits, [len(piece.logits_of) for piece in pieces])


def _batch(pieces: Tokens[Piece], is_draft: bool, is_followed: bool) -> Batch:
    token_ids: list[int] = []
    positions: list[int] = []
    segments: list[Segment] = []
    logit_rows: list[int] = []
    for piece in pieces:
        start = len(token_ids)
        segments.append(_segment(piece, start, is_followed))
        token_ids += piece.token_ids
        positions += piece.positions
        logit_rows += (start + offset for offset in piece.logits_of)
    return Batch(
        token_ids=torch.tensor(token_ids, dtype=torch.int64),
        positions=torch.tensor(positions, dtype=torch.int64),
        segments=tuple(segments),
        logit_rows=torch.tensor(logit_rows, dtype=torch.int64),
        is_draft=is_draft,
    )


def _segment(piece: Piece, start: int, is_followed: bool) -> Segment:
    begin, length = piece.begin, len(piece.token_ids)
    return Segment(
        cache=piece.sequence.cache,
        start=start,
        length=length,
        position=begin,
        snapshots=tuple(wanted for wanted in piece.sequence.snapshots if begin < wanted <= begin + length),
        is_revocable=piece.is_revocable,
        is_causal=piece.is_causal,
        num_groups=piece.num_groups,
        is_followed=is_followed,
    )
