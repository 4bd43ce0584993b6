"""What does a block that predicts further tokens remember of one sequence?

The block reads pairs: what the network made of a token, and the token that came next. Rows that have no
partner yet, or were not read yet, are `unread`. Pairs that were read are keys and values; those that the
block made up for itself while it drafted stand behind them, until the network says what is true.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nemotron_backend.model.network import LayerCache, Segment
from nemotron_backend.model.state_cache import MOST_SNAPSHOTS

MakeLayers = Callable[[], Sequence[LayerCache]]


@dataclass(frozen=True, slots=True)
class Reading:
    """Pairs that are read next, behind `position` others: rows [pairs, hidden], and the token behind each."""

    layers: Sequence[LayerCache]
    position: int
    rows: Tensor
    token_ids: Sequence[int]


class PredictionCache:
    """Follows a sequence where it is shown it. Whatever it missed makes it start anew, as drafts may err.

    `length` is how many tokens of the sequence it has seen. Memory is taken with the first of them.
    """

    def __init__(self, make_layers: MakeLayers) -> None:
        self.length = 0
        self._layers: Sequence[LayerCache] = ()
        self._make_layers = make_layers
        self._num_read = 0
        self._unread: Tensor | None = None
        self._next_tokens: list[int] = []
        self._made_up: Tensor | None = None
        self._num_made_up = 0
        self._kept: dict[int, Tensor] = {}

    @property
    def num_bytes(self) -> int:
        """Bytes of keys, values and rows."""
        rows = [*self._kept.values(), *([] if self._unread is None else [self._unread])]
        return sum(layer.num_bytes for layer in self._layers) + sum(held.nbytes for held in rows)

    @property
    def num_unread(self) -> int:
        """Rows that the block has not read."""
        return 0 if self._unread is None else len(self._unread)

    def follow(self, segment: Segment, token_ids: Sequence[int], rows: Tensor) -> None:
        """See the tokens of a segment, and what the network made of each, [tokens, hidden]."""
        if segment.position != self.length:
            self._start_anew(segment.position)
        if not self._layers:
            self._layers = self._make_layers()
        self._drop_made_up()
        self._next_tokens += token_ids if self.num_unread else token_ids[1:]
        self._unread = rows if self._unread is None else torch.cat((self._unread, rows))
        self.length += segment.length
        self._kept |= {
            length: rows[length - segment.position - 1, None].clone()
            for length in segment.snapshots
            if segment.position < length <= self.length
        }
        self._kept = {length: self._kept[length] for length in sorted(self._kept)[-MOST_SNAPSHOTS:]}

    def take_pairs(self) -> Reading:
        """The rows whose next token is known."""
        assert self._unread is not None, "a sequence is followed before it is read"
        reading = Reading(self._layers, self._num_read, self._unread[:-1], self._next_tokens)
        self._unread, self._next_tokens = self._unread[-1:].clone(), []
        self._num_read += len(reading.token_ids)
        return reading

    def take_all(self, token_id: int) -> Reading:
        """All rows, the last of which is followed by this token: said, or drafted behind what was made up."""
        if self._made_up is not None:
            position = self._num_read + self._num_made_up
            self._num_made_up += 1
            return Reading(self._layers, position, self._made_up, [token_id])
        assert self._unread is not None, "a sequence is followed before it is drafted"
        reading = Reading(self._layers, self._num_read, self._unread, [*self._next_tokens, token_id])
        self._unread, self._next_tokens = None, []
        self._num_read += len(reading.token_ids)
        return reading

    def make_up(self, row: Tensor) -> None:
        """Let a row [1, hidden] of the block stand for what the network would make of the last token."""
        self._made_up = row

    def reusable_length(self, length: int) -> int:
        """Where the last row is there; where the sequence was not followed, any length will do."""
        if length >= self.length:
            return length
        unread = range(self.length - self.num_unread + 1, self.length)
        return max((kept for kept in (0, *self._kept, *unread) if kept <= length), default=0)

    def truncate(self, length: int) -> None:
        """Forget all tokens from position `length` on."""
        if length >= self.length:
            return
        self._drop_made_up()
        num_lost = self.length - length
        if self._unread is not None and num_lost < len(self._unread):
            self._unread = self._unread[:-num_lost]
            self._next_tokens = self._next_tokens[: len(self._unread) - 1]
        elif length in self._kept:
            # The pair of the last token that is left has a token in it that is not.
            self._num_read = max(0, self._num_read - (num_lost - self.num_unread + 1))
            self._unread, self._next_tokens = self._kept[length], []
            self._drop_made_up()
        else:
            self._start_anew(length)
        self._kept = {kept: row for kept, row in self._kept.items() if kept <= length}
        self.length = length

    def copy(self, length: int) -> "PredictionCache":
        """A cache of its own that holds the first `length` tokens."""
        twin = PredictionCache(self._make_layers)
        twin.length, twin._num_read = self.length, self._num_read
        twin._layers = tuple(layer.copy(self._num_read) for layer in self._layers)
        twin._unread, twin._next_tokens = self._unread, list(self._next_tokens)
        twin._kept = dict(self._kept)
        twin.truncate(length)
        return twin

    def _drop_made_up(self) -> None:
        self._made_up, self._num_made_up = None, 0
        for layer in self._layers:
            layer.truncate(self._num_read)

    def _start_anew(self, length: int) -> None:
        self.length, self._num_read = length, 0
        self._unread, self._next_tokens, self._kept = None, [], {}
        self._drop_made_up()
