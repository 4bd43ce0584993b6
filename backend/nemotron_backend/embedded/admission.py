"""Which cache does a sequence start with, and is there memory for it?"""

from dataclasses import dataclass, replace

from nemotron_backend.embedded.cache_memory import (
    CacheMemory,
    LayerCaches,
    Prefix,
    bytes_of,
    common_length,
    reusable_length,
)
from nemotron_backend.embedded.sequence import Sequence
from nemotron_backend.model.cache import blocks
from nemotron_backend.model.network import Network
from nemotron_backend.request import Variant

# Shorter beginnings cost less to compute than to look after.
_SHORTEST_PREFIX = 8


@dataclass(frozen=True, slots=True)
class _Match:
    """`length` leading tokens of a prompt are in a kept prefix or in a running sequence's cache."""

    source: Prefix | Sequence
    length: int


def bytes_needed(sequence: Sequence, network: Network) -> int:
    """Cache memory of the longest answer that the sequence may get."""
    return tokens_needed(sequence, network) * network.cache_bytes_per_token


def tokens_needed(sequence: Sequence, network: Network) -> int:
    """Places in the cache: where masks are filled in, for whole blocks, and for keys in whole blocks too."""
    masking = network.masking
    if masking is None:
        return sequence.capacity
    length = sequence.decoding.block_length or masking.block_length
    return blocks(sequence.capacity + length - 1)


def admit(sequence: Sequence, network: Network, memory: CacheMemory, running: tuple[Sequence, ...]) -> bool:
    """Give the sequence its cache, with as much of the prompt as is known; False when there is no room."""
    match = _longest_match(sequence, memory, running)
    if match is not None and _reuse(sequence, match, network, memory):
        return True
    needed = bytes_needed(sequence, network)
    if not memory.reserve(needed):
        return False
    sequence.reserved_bytes = needed
    sequence.cache = network.make_cache(tokens_needed(sequence, network))
    return True


def retire(sequence: Sequence, memory: CacheMemory) -> None:
    """Take the memory back; what was computed stays as a prefix for later requests."""
    memory.release(sequence.reserved_bytes)
    sequence.reserved_bytes = 0
    # A stop string may cut an answer before the last tokens of a block that is in the cache.
    length = min(sequence.num_computed, len(sequence.token_ids))
    if memory.keeps_prefixes and length >= _SHORTEST_PREFIX:
        cache = sequence.cache
        # An answer much shorter than it might have been would hold on to room that nothing uses.
        if length * 2 < sequence.capacity:
            cache = tuple(layer.copy(length) for layer in cache)
        elif length < sequence.num_computed:
            for layer in cache:
                layer.truncate(length)
        memory.keep(Prefix(sequence.variant, tuple(sequence.token_ids[:length]), cache))
    sequence.cache = ()


def _longest_match(sequence: Sequence, memory: CacheMemory, running: tuple[Sequence, ...]) -> _Match | None:
    # The last token is always computed: its logits give the first token of the answer.
    prompt = tuple(sequence.token_ids[:-1])
    sources: tuple[Prefix | Sequence, ...] = (*reversed(memory.prefixes), *running)
    wanted = _network_of(sequence)
    matches = (_match(prompt, source) for source in sources if _network_of(source) == wanted)
    best = max(matches, key=lambda match: match.length, default=None)
    return best if best is not None and best.length >= _SHORTEST_PREFIX else None


def _network_of(source: Prefix | Sequence) -> Variant:
    """Its variant, whatever the decode mode: all of them leave the same keys and values behind."""
    return replace(source.variant, decode="autoregressive")


def _match(prompt: tuple[int, ...], source: Prefix | Sequence) -> _Match:
    held = source.token_ids if isinstance(source, Prefix) else source.token_ids[: source.num_computed]
    length = common_length(prompt, tuple(held))
    return _Match(source, reusable_length(source.cache, length) if length >= _SHORTEST_PREFIX else 0)


def _reuse(sequence: Sequence, match: _Match, network: Network, memory: CacheMemory) -> bool:
    source, length = match.source, match.length
    # A cache that starts small grows by half whenever it is full.
    needed = bytes_needed(sequence, network) * 3 // 2
    if isinstance(source, Prefix) and length * 2 >= len(source.token_ids):
        return _take_over(sequence, source, length, needed, memory)
    if not memory.reserve(needed, spare=source if isinstance(source, Prefix) else None):
        return False
    if isinstance(source, Prefix):
        memory.touch(source)
    _start_with(sequence, tuple(layer.copy(length) for layer in source.cache), length, needed)
    return True


def _take_over(sequence: Sequence, source: Prefix, length: int, needed: int, memory: CacheMemory) -> bool:
    needed = max(needed, bytes_of(source.cache))
    memory.forget(source)
    if not memory.reserve(needed):
        memory.keep(source)
        return False
    for layer in source.cache:
        layer.truncate(length)
    _start_with(sequence, tuple(source.cache), length, needed)
    return True


def _start_with(sequence: Sequence, cache: LayerCaches, length: int, needed: int) -> None:
    sequence.cache = cache
    sequence.num_computed = sequence.num_cached = length
    sequence.reserved_bytes = needed
