"""Which sequences advance in the next step, and by how many tokens?"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from nemotron_backend.embedded.admission import admit, retire
from nemotron_backend.embedded.cache_memory import CacheMemory
from nemotron_backend.embedded.sequence import Sequence
from nemotron_backend.model.network import Network
from nemotron_backend.request import Variant

NetworkOf = Callable[[Variant], Network | None]


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next tokens of one sequence that go through the network."""

    sequence: Sequence
    num_tokens: int

    @property
    def completes(self) -> bool:
        """Whether all known tokens are in the cache afterwards, so that a new one can be drawn."""
        return self.num_tokens == self.sequence.num_pending


@dataclass(frozen=True, slots=True)
class Step:
    """One turn: chunks of one variant."""

    variant: Variant
    chunks: tuple[Chunk, ...]


class Scheduler:
    """Sequences wait in line for memory, then run together; variants take turns."""

    def __init__(self, memory: CacheMemory, *, max_running: int, prefill_chunk: int) -> None:
        self._memory = memory
        self._max_running = max_running
        self._prefill_chunk = prefill_chunk
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []
        self._turns: deque[Variant] = deque()

    @property
    def running(self) -> tuple[Sequence, ...]:
        """Sequences that have a cache."""
        return tuple(self._running)

    @property
    def waiting(self) -> tuple[Sequence, ...]:
        """Sequences in line."""
        return tuple(self._waiting)

    def add(self, sequences: Iterable[Sequence]) -> None:
        """Put sequences at the end of the line."""
        self._waiting.extend(sequences)

    def admit(self, network_of: NetworkOf) -> None:
        """Let those in line start, first come, first served, while there is room.

        One whose network or prompt is still made for it is passed over; one that lacks memory is not,
        or a large request would never start among small ones.
        """
        for sequence in tuple(self._waiting):
            if len(self._running) == self._max_running:
                return
            network = network_of(sequence.variant)
            if network is None or sequence.waits_for_leader:
                continue
            if not admit(sequence, network, self._memory, self.running):
                return
            self._waiting.remove(sequence)
            self._running.append(sequence)

    def next_step(self) -> Step | None:
        """The turn of the variant that waited longest; None when nothing runs."""
        present = {sequence.variant for sequence in self._running}
        self._turns = deque(variant for variant in self._turns if variant in present)
        self._turns.extend(dict.fromkeys(s.variant for s in self._running if s.variant not in self._turns))
        if not self._turns:
            return None
        variant = self._turns.popleft()
        self._turns.append(variant)
        return Step(variant, self._chunks([s for s in self._running if s.variant == variant]))

    def remove(self, sequences: Iterable[Sequence]) -> None:
        """Take out what is finished or nobody waits for, and free its memory."""
        for sequence in sequences:
            if sequence in self._running:
                self._running.remove(sequence)
                retire(sequence, self._memory)
            elif sequence in self._waiting:
                self._waiting.remove(sequence)

    def _chunks(self, sequences: list[Sequence]) -> tuple[Chunk, ...]:
        decoding = [Chunk(s, s.num_pending) for s in sequences if not s.is_prefilling]
        prefilling = [s for s in sequences if s.is_prefilling]
        shares = fair_shares([s.num_pending for s in prefilling], self._prefill_chunk)
        chunks = (Chunk(s, share) for s, share in zip(prefilling, shares, strict=True) if share)
        return (*decoding, *chunks)


def fair_shares(wanted: list[int], total: int) -> list[int]:
    """Split `total` so that nobody gets more than wanted, and the rest goes evenly to the others."""
    shares = [0] * len(wanted)
    left = total
    by_size = sorted(range(len(wanted)), key=lambda place: wanted[place])
    for served, place in enumerate(by_size):
        shares[place] = min(wanted[place], -(-left // (len(wanted) - served)))
        left -= shares[place]
    return shares
