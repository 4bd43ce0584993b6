"""What does a checkpoint offer, whatever its architecture?"""

from typing import Literal, Protocol

from nemotron_backend.model.network import Network
from nemotron_backend.request import Decode, Precision

Layout = Literal["views", "packed"]


class Packable(Protocol):
    """What knows how large packed copies of all its networks are."""

    @property
    def num_packed_bytes(self) -> int:
        """Bytes of them; 0 where there is no choice of layout."""
        ...


class Checkpoint(Packable, Protocol):
    """A folder whose networks share what they can."""

    @property
    def context(self) -> int:
        """How many tokens a sequence may have."""
        ...

    @property
    def vocab_size(self) -> int:
        """How many token ids there are."""
        ...

    @property
    def attributes(self) -> tuple[str, ...]:
        """What its networks score, a column of their logits each; none where they say words."""
        ...

    @property
    def sizes(self) -> tuple[str, ...]:
        """The nested networks, the whole one first."""
        ...

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """What the stored weights can be rounded to."""
        ...

    def decodes(self, size: str) -> tuple[Decode, ...]:
        """The decode modes that the network of a size is able to do."""
        ...

    @property
    def num_shared_bytes(self) -> int:
        """Bytes of the weights read so far that networks use together."""
        ...

    def network(self, size: str, precision: Precision, layout: Layout) -> Network:
        """One of the networks. Raises CheckpointError, UnknownSize, UnavailablePrecision."""
        ...
