"""Which cache that is there already can a sequence go on from?"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from nemotron_backend.embedded.cache_memory import Origin, Prefix, common_length, reusable_length
from nemotron_backend.embedded.sequence import Sequence
from nemotron_backend.model.network import Network

# Shorter beginnings cost less to compute than to look after.
SHORTEST_PREFIX = 8


@dataclass(frozen=True, slots=True)
class Match:
    """`length` leading tokens of a prompt are in a kept prefix or in a running sequence's cache."""

    source: Prefix | Sequence
    origin: Origin
    length: int


def origin_of(sequence: Sequence, network: Network) -> Origin:
    """What a cache is that this network makes for this sequence from its first token on."""
    variant = sequence.variant
    return Origin(
        model=variant.model, size=variant.size, precision=variant.precision, shape=network.cache_shape
    )


def longest_match(sequence: Sequence, network: Network, sources: Iterable[Prefix | Sequence]) -> Match | None:
    """The most tokens that the sequence can reuse; the earlier of equally good sources."""
    own = origin_of(sequence, network)
    matches = (m for m in _matches(sequence, sources) if _is_usable(m.origin, own, sequence))
    return max(matches, key=lambda match: match.length, default=None)


def unfit_match(sequence: Sequence, network: Network, sources: Iterable[Prefix | Sequence]) -> Match | None:
    """What a sequence would go on from that takes over another size's state, if the shapes agreed."""
    if sequence.handover != "state":
        return None
    own, sources = origin_of(sequence, network), tuple(sources)
    unfit = (m for m in _matches(sequence, sources) if _is_kin(m.origin, own) and m.origin.shape != own.shape)
    best = max(unfit, key=lambda match: match.length, default=None)
    usable = longest_match(sequence, network, sources)
    is_missed = best is not None and (usable is None or usable.length < best.length)
    return best if is_missed else None


def _matches(sequence: Sequence, sources: Iterable[Prefix | Sequence]) -> Iterable[Match]:
    # The last token is always computed: its logits give the first token of the answer.
    prompt = tuple(sequence.token_ids[:-1])
    for source in sources:
        held = source.token_ids if isinstance(source, Prefix) else source.token_ids[: source.num_computed]
        length = common_length(prompt, tuple(held))
        length = reusable_length(source.cache, length) if length >= SHORTEST_PREFIX else 0
        if length >= SHORTEST_PREFIX and source.origin is not None:
            yield Match(source, source.origin, length)


def _is_usable(origin: Origin, own: Origin, sequence: Sequence) -> bool:
    if sequence.handover == "state":
        return _is_kin(origin, own) and origin.shape == own.shape
    return origin == own


def _is_kin(origin: Origin, own: Origin) -> bool:
    """Whether it is of the same weights, in whatever size."""
    return replace(origin, size=own.size, shape=own.shape, is_approximate=False) == own
