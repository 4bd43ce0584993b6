"""Which cache does a sequence start with, and is there memory for it?"""

from collections.abc import Sequence as Sources
from dataclasses import replace

from nemotron_backend.embedded.cache_memory import (
    CacheMemory,
    LayerCaches,
    Prefix,
    bytes_of,
    reusable_length,
)
from nemotron_backend.embedded.decode.pace import LONGEST_PREDICTION
from nemotron_backend.embedded.prefix_match import SHORTEST_PREFIX, Match, longest_match, origin_of
from nemotron_backend.embedded.sequence import Sequence
from nemotron_backend.model.cache import blocks
from nemotron_backend.model.network import Network
from nemotron_backend.model.state_cache import MOST_SNAPSHOTS

# The one after the last token, besides those that are kept for other sequences.
_MOST_STATES = 1 + MOST_SNAPSHOTS


def bytes_needed(sequence: Sequence, network: Network) -> int:
    """Cache memory of the longest answer that the sequence may get."""
    return tokens_needed(sequence, network) * network.cache_bytes_per_token + _state_bytes(sequence, network)


def tokens_needed(sequence: Sequence, network: Network) -> int:
    """Places in the cache: where drafts are verified, keys come in whole blocks, and masks come on top."""
    masking = network.masking
    if masking is None:
        return sequence.capacity if network.predictor is None else blocks(sequence.capacity)
    length = sequence.decoding.block_length or masking.block_length
    return blocks(sequence.capacity + length - 1)


def sources(memory: CacheMemory, running: tuple[Sequence, ...]) -> Sources[Prefix | Sequence]:
    """Everything whose cache others may go on from, most recently used first."""
    return (*reversed(memory.prefixes), *running)


def admit(sequence: Sequence, network: Network, memory: CacheMemory, running: tuple[Sequence, ...]) -> bool:
    """Give the sequence its cache, with as much of the prompt as is known; False when there is no room."""
    match = longest_match(sequence, network, sources(memory, running))
    if match is not None and _reuse(sequence, match, network, memory):
        own = origin_of(sequence, network)
        sequence.origin = replace(own, is_approximate=match.origin != own)
        return True
    needed = bytes_needed(sequence, network)
    if not memory.reserve(needed):
        return False
    sequence.reserved_bytes = needed
    sequence.origin = origin_of(sequence, network)
    sequence.cache = network.make_cache(tokens_needed(sequence, network))
    return True


def retire(sequence: Sequence, memory: CacheMemory) -> None:
    """Take the memory back; what was computed stays as a prefix for later requests."""
    memory.release(sequence.reserved_bytes)
    sequence.reserved_bytes = 0
    # A stop string may cut an answer before the last tokens of a block that is in the cache.
    length = reusable_length(sequence.cache, min(sequence.num_computed, len(sequence.token_ids)))
    if memory.keeps_prefixes and length >= SHORTEST_PREFIX and sequence.origin is not None:
        cache = sequence.cache
        # An answer much shorter than it might have been would hold on to room that nothing uses.
        if length * 2 < sequence.capacity:
            cache = tuple(layer.copy(length) for layer in cache)
        elif length < sequence.num_computed:
            for layer in cache:
                layer.truncate(length)
        memory.keep(Prefix(sequence.origin, tuple(sequence.token_ids[:length]), cache))
    sequence.cache = ()


def _state_bytes(sequence: Sequence, network: Network) -> int:
    """Of the states that it may hold at the same time: while drafts can be taken back, one for each token."""
    num_states = _MOST_STATES
    if network.predictor is not None and sequence.variant.decode == "self-speculation":
        num_states += sequence.decoding.block_length or LONGEST_PREDICTION
    return num_states * network.cache_bytes_per_sequence


def _reuse(sequence: Sequence, match: Match, network: Network, memory: CacheMemory) -> bool:
    source, length = match.source, match.length
    # A cache that starts small grows by half whenever it is full, to a whole number of blocks.
    places = blocks(tokens_needed(sequence, network) * 3 // 2)
    needed = places * network.cache_bytes_per_token + _state_bytes(sequence, network)
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
