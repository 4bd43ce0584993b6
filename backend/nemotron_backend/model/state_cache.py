"""What does a state space layer remember of one sequence, and where can it go back to?

States are values: every forward makes new tensors and none is written in place. So a snapshot is a
reference, a copy is free, and memory is held only for the lengths that somebody asked to keep.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from nemotron_backend.model.network import Segment

# The newest are kept: a state of a large model takes megabytes.
MOST_SNAPSHOTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The last convolution inputs [K - 1, channels] and the float32 state [heads, P, N]."""

    taps: Tensor
    state: Tensor

    @property
    def num_bytes(self) -> int:
        """Bytes of both tensors."""
        return self.taps.nbytes + self.state.nbytes


class StateCache:
    """The state after the last token, and the states that were kept on the way.

    `empty` is the state before the first token; all sequences of a layer share it.
    """

    def __init__(self, empty: State) -> None:
        self.current = empty
        self.length = 0
        self._snapshots: dict[int, State] = {0: empty}
        self._revocable: dict[int, State] = {}

    @property
    def num_bytes(self) -> int:
        """Bytes of all states held; the shared empty one counts only where it is the current one."""
        kept = self._kept()
        return sum(state.num_bytes for length, state in kept.items() if length > 0 or len(kept) == 1)

    def extend(self, segment: Segment, states: Sequence[State]) -> None:
        """Take the states at `stops(segment)`, the last of which is the new current one."""
        kept = dict(zip(stops(segment), states, strict=True))
        self._revocable = {self.length: self.current, **kept} if segment.is_revocable else {}
        self._snapshots |= {length: kept[length] for length in segment.snapshots if length in kept}
        self._snapshots = {
            length: self._snapshots[length] for length in (0, *sorted(self._snapshots)[1:][-MOST_SNAPSHOTS:])
        }
        self.current, self.length = states[-1], segment.position + segment.length

    def reusable_length(self, length: int) -> int:
        """The longest kept length up to `length`; the empty start is always one."""
        return max(kept for kept in self._kept() if kept <= length)

    def truncate(self, length: int) -> None:
        """Go back to the state at `length`."""
        self.current, self.length = self._at(length), length
        self._snapshots = {kept: state for kept, state in self._snapshots.items() if kept <= length}
        self._revocable = {kept: state for kept, state in self._revocable.items() if kept <= length}

    def copy(self, length: int) -> "StateCache":
        """A cache that went back to `length` and shares the tensors, which nobody writes."""
        copied = StateCache(self._snapshots[0])
        copied.current, copied.length = self._at(length), length
        copied._snapshots = {kept: state for kept, state in self._snapshots.items() if kept <= length}
        return copied

    def _kept(self) -> dict[int, State]:
        return {**self._revocable, **self._snapshots, self.length: self.current}

    def _at(self, length: int) -> State:
        kept = self._kept()
        if length not in kept:
            raise ValueError(f"no state was kept after {length} tokens, only after {sorted(kept)}")
        return kept[length]


class NoCache:
    """The cache of a layer that looks at one token at a time: nothing, at any length."""

    num_bytes = 0

    def reusable_length(self, length: int) -> int:
        """Every length."""
        return length

    def truncate(self, length: int) -> None:
        """Nothing to forget."""

    def copy(self, length: int) -> "NoCache":
        """Nothing to keep apart."""
        return self


def stops(segment: Segment) -> list[int]:
    """The lengths, in order, at which the state of `segment` is wanted; the last one is its end."""
    end = segment.position + segment.length
    if segment.is_revocable:
        return list(range(segment.position + 1, end + 1))
    return sorted({length for length in segment.snapshots if segment.position < length < end} | {end})
