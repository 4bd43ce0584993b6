"""Which caches may stay in memory?

Running sequences reserve what they may need. Caches of finished ones stay as reusable prefixes, the
least recently used make room.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from nemotron_backend.model.network import LayerCache

LayerCaches = Sequence[LayerCache]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which network made a cache; the decode mode does not matter, all leave the same behind.

    It `is_approximate` where it went on from what another size made. `shape` is the cache's, as the network
    calls it.
    """

    model: str
    size: str
    precision: str
    shape: tuple[int, ...]
    is_approximate: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """Tokens whose cache is kept."""

    origin: Origin
    token_ids: tuple[int, ...]
    cache: LayerCaches

    @property
    def num_bytes(self) -> int:
        """Bytes that the cache holds."""
        return bytes_of(self.cache)


class CacheMemory:
    """Counts every byte of cache against one limit."""

    def __init__(self, limit_bytes: int, *, keeps_prefixes: bool = True) -> None:
        self.limit_bytes = limit_bytes
        self.keeps_prefixes = keeps_prefixes
        self.used_bytes = 0
        self._prefixes: OrderedDict[Prefix, int] = OrderedDict()

    @property
    def prefixes(self) -> tuple[Prefix, ...]:
        """What is kept, least recently used first."""
        return tuple(self._prefixes)

    def reserve(self, num_bytes: int, *, spare: Prefix | None = None) -> bool:
        """Claim bytes for a running sequence; old prefixes are dropped for them, except `spare`."""
        kept = self._prefixes.get(spare, 0) if spare is not None else 0
        running = self.used_bytes - sum(self._prefixes.values())
        if running + kept + num_bytes > self.limit_bytes:
            return False
        while self.used_bytes + num_bytes > self.limit_bytes:
            self.forget(next(prefix for prefix in self._prefixes if prefix is not spare))
        self.used_bytes += num_bytes
        return True

    def release(self, num_bytes: int) -> None:
        """Give back what `reserve` claimed."""
        self.used_bytes -= num_bytes

    def keep(self, prefix: Prefix) -> None:
        """Hold a finished sequence's cache, if it fits beside what runs."""
        num_bytes = prefix.num_bytes
        if self.reserve(num_bytes):
            self._prefixes[prefix] = num_bytes

    def forget(self, prefix: Prefix) -> None:
        """Let go of a prefix."""
        self.used_bytes -= self._prefixes.pop(prefix)

    def touch(self, prefix: Prefix) -> None:
        """Mark a prefix as just used."""
        self._prefixes.move_to_end(prefix)


def bytes_of(cache: LayerCaches) -> int:
    """Bytes that all layers hold."""
    return sum(layer.num_bytes for layer in cache)


def reusable_length(cache: LayerCaches, length: int) -> int:
    """The most tokens, up to `length`, that all layers can go back to."""
    reusable = min((layer.reusable_length(length) for layer in cache), default=0)
    return reusable if reusable == length else reusable_length(cache, reusable)


def common_length(left: Sequence[int], right: Sequence[int]) -> int:
    """How many leading tokens are the same."""
    low, high = 0, min(len(left), len(right))
    # Slices compare in C, so halving beats a loop over thousands of tokens.
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
