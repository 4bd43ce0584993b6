"""How many numbers does a network of these dimensions hold?"""

from dataclasses import dataclass

_MAMBA, _EXPERTS, _ATTENTION, _FEED_FORWARD = "ME*-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Grouped-query attention without biases."""

    query_heads: int
    key_value_heads: int
    head_dim: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedForward:
    """A dense layer of this inner width; a gated one (SwiGLU) has a third matrix."""

    width: int
    gated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts:
    """`routed` experts, of which `active` work for one token, beside one shared expert.

    `latent` is the width that routed experts read and write; 0 means the hidden width.
    """

    routed: int
    active: int
    width: int
    shared_width: int
    latent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mamba:
    """A Mamba2 mixer: `heads` of `head_dim`, `groups` that share B and C, a `state` a channel."""

    heads: int
    head_dim: int
    groups: int
    state: int
    convolution: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimensions:
    """The shape of one network.

    `pattern` names its blocks in order with NVIDIA's letters: `M` Mamba2, `E` mixture of experts,
    `*` attention, `-` dense feed-forward. It is run through `repeats` times, so that a plain decoder
    of 32 layers is `*-` repeated 32 times. Each block has one norm before it; one more is the last. A head
    of so many `outputs`, as some reward models have, takes the place of the one for words.
    """

    pattern: str
    repeats: int = 1
    hidden: int
    vocabulary: int
    is_tied: bool = False
    has_norm_bias: bool = False
    outputs: int = 0
    attention: Attention | None = None
    feed_forward: FeedForward | None = None
    experts: Experts | None = None
    mamba: Mamba | None = None

    def __post_init__(self) -> None:
        used = {
            _MAMBA: self.mamba,
            _EXPERTS: self.experts,
            _ATTENTION: self.attention,
            _FEED_FORWARD: self.feed_forward,
        }
        if unknown := set(self.pattern) - set(used):
            raise ValueError(f"the pattern has unknown letters: {''.join(sorted(unknown))}")
        for letter, block in used.items():
            if (letter in self.pattern) != (block is not None):
                raise ValueError(f"the pattern and the dimensions disagree on blocks of kind {letter!r}")

    @property
    def total_parameters(self) -> int:
        """Every trained number, embedding and head included."""
        num_blocks = len(self.pattern) * self.repeats
        norms = (num_blocks + 1) * self.hidden * (2 if self.has_norm_bias else 1)
        head = self.outputs or (0 if self.is_tied else self.vocabulary)
        embeddings = (self.vocabulary + head) * self.hidden
        return embeddings + norms + self.layer_parameters

    @property
    def layer_parameters(self) -> int:
        """The numbers between the embedding matrices, without norms."""
        return self.repeats * sum(self._block(letter) for letter in self.pattern)

    @property
    def active_parameters(self) -> int:
        """The numbers that work for one token, embedding and head included."""
        if self.experts is None:
            return self.total_parameters
        idle = (self.experts.routed - self.experts.active) * self._expert(self.experts)
        return self.total_parameters - idle * self.pattern.count(_EXPERTS) * self.repeats

    def _block(self, letter: str) -> int:
        if letter == _MAMBA and self.mamba is not None:
            return self._mamba(self.mamba)
        if letter == _EXPERTS and self.experts is not None:
            return self._mixture(self.experts)
        if letter == _ATTENTION and self.attention is not None:
            heads = self.attention.query_heads + self.attention.key_value_heads
            return 2 * self.hidden * heads * self.attention.head_dim
        assert self.feed_forward is not None
        return (3 if self.feed_forward.gated else 2) * self.hidden * self.feed_forward.width

    def _mamba(self, mamba: Mamba) -> int:
        inner = mamba.heads * mamba.head_dim
        convolved = inner + 2 * mamba.groups * mamba.state
        projections = self.hidden * (inner + convolved + mamba.heads) + inner * self.hidden
        head_scalars = 3 * mamba.heads  # A, D and the bias of the time step
        return projections + convolved * (mamba.convolution + 1) + head_scalars + inner

    def _mixture(self, experts: Experts) -> int:
        router = experts.routed * (self.hidden + 1)
        shared = 2 * self.hidden * experts.shared_width
        latent_projections = 2 * self.hidden * experts.latent
        return router + experts.routed * self._expert(experts) + shared + latent_projections

    def _expert(self, experts: Experts) -> int:
        return 2 * (experts.latent or self.hidden) * experts.width
