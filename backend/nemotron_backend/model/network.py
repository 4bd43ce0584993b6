"""What does a network take and give in one forward?

Sequences of different lengths are laid end to end in one row of tokens, so that prompts and single
tokens share a forward without padding. A `Segment` says which rows belong to which sequence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class LayerCache(Protocol):
    """What one layer remembers of one sequence between forwards."""

    @property
    def num_bytes(self) -> int:
        """Bytes of memory held."""
        ...

    def reusable_length(self, length: int) -> int:
        """The most tokens, up to `length`, that `truncate` and `copy` can go back to."""
        ...

    def truncate(self, length: int) -> None:
        """Forget all tokens from position `length` on, which must be a reusable length."""
        ...

    def copy(self, length: int) -> "LayerCache":
        """An independent cache that holds the first `length` tokens, a reusable length."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Rows `start` to `start + length` of a batch: the next tokens of one sequence.

    `position` is the place of the first of them, which is how many tokens `cache` holds already.
    `cache` has one object a layer; the forward extends it by `length` tokens.

    A state cannot be cut like keys and values, so a layer with one can only return to lengths at which
    it kept the state. It keeps the `snapshots` among this segment's lengths for good, for instance the
    end of a prompt that a later turn will share; and where the segment `is_revocable`, every length
    of it until the next forward, so that drafted tokens can be taken back.

    Where the segment is not causal, its tokens all see each other besides the cache, which is then read
    and left as it was. In several groups of one length, only tokens of a group see each other: the first
    group stands at `position`, and each sees one more token of the cache than the one before it. So a
    causal segment may come first, and groups of masks behind each of its tokens look ahead from there.

    Where it `is_followed`, the network's predictor, if there is one, sees what becomes of its tokens.
    """

    cache: Sequence[LayerCache]
    start: int
    length: int
    position: int
    snapshots: tuple[int, ...] = ()
    is_revocable: bool = False
    is_causal: bool = True
    num_groups: int = 1
    is_followed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One forward: `token_ids` and `positions` are [tokens], `logit_rows` says which rows need logits.

    A forward that only drafts goes through the network's draft adapter, where it has one.
    """

    token_ids: Tensor
    positions: Tensor
    segments: tuple[Segment, ...]
    logit_rows: Tensor
    is_draft: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Masking:
    """How a network fills in tokens that it cannot see: the mask's id, and how many places it was taught.

    Where it `lacks_adapter`, its drafts do without the adapter that it was taught with. Where it
    `is_for_drafts`, only that adapter was taught, and the network by itself makes nothing of masks.
    """

    mask_id: int
    block_length: int
    lacks_adapter: bool = False
    is_for_drafts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """A sequence that was followed, and the token behind those that were predicted or are in its cache."""

    cache: Sequence[LayerCache]
    token_id: int


class Predictor(Protocol):
    """What drafts from left to right by a smaller network of its own, which leaves the cache as it is."""

    @property
    def cost_of_step(self) -> float:
        """What a token costs to draft, in forwards of the whole network over one token."""
        ...

    def can_predict(self, cache: Sequence[LayerCache]) -> bool:
        """Whether a sequence with this cache was followed up to its last token."""
        ...

    def predict(self, aheads: Sequence[Ahead]) -> Tensor:
        """Float32 logits [sequences, vocabulary] for what follows each one's token."""
        ...


class Network(Protocol):
    """A causal language model over ragged batches."""

    @property
    def vocab_size(self) -> int:
        """How many token ids there are."""
        ...

    @property
    def cache_bytes_per_token(self) -> int:
        """What one more token costs in cache memory."""
        ...

    @property
    def cache_bytes_per_sequence(self) -> int:
        """What a sequence costs however short it is: one state of every layer that has one."""
        return 0

    @property
    def cache_shape(self) -> tuple[int, ...]:
        """What two networks of one checkpoint must agree in for one to go on from the other's cache."""
        return ()

    @property
    def num_bytes(self) -> int:
        """Bytes of weights held by this network alone, shared tensors left out."""
        ...

    @property
    def masking(self) -> Masking | None:
        """How it fills in masked tokens without order; None where it only goes from left to right."""
        return None

    @property
    def predictor(self) -> Predictor | None:
        """What drafts for it from left to right, where it has that."""
        return None

    def make_cache(self, capacity: int) -> Sequence[LayerCache]:
        """An empty cache, one object a layer, with room for `capacity` tokens."""
        ...

    def forward(self, batch: Batch) -> Tensor:
        """Float32 logits [logit rows, vocabulary]; extends every segment's cache.

        A reward model's are scores [logit rows, attributes].
        """
        ...
