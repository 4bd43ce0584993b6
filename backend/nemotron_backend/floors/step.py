"""What does one forward of a whole network move and compute?

Weights that it touches count once, states and caches as they are; activations between ops and the logits are
left out, which are under two per cent. Embedding rows, norms and rotary angles are smaller still.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from nemotron_backend.catalog.dimensions import Dimensions
from nemotron_backend.floors.call import Call, Load
from nemotron_backend.floors.card import Card
from nemotron_backend.floors.dense import attention_calls, feed_forward_calls, head_call
from nemotron_backend.floors.hybrid import expert_calls, mamba_calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One forward: its calls, each with the number of layers that make it."""

    load: Load
    calls: tuple[Call, ...]

    @property
    def num_bytes(self) -> float:
        return sum(call.count * (call.weights + call.kept) for call in self.calls)

    @property
    def weights(self) -> float:
        return sum(call.count * call.weights for call in self.calls)

    @property
    def operations(self) -> float:
        return sum(call.count * call.operations for call in self.calls)

    def seconds(self, card: Card) -> float:
        return card.seconds(self.num_bytes, self.operations)

    def tokens_per_second(self, card: Card, tokens_per_forward: float = 1) -> float:
        """Over the batch, if a forward ends in so many tokens of each sequence."""
        return self.load.batch * tokens_per_forward / self.seconds(card)


def step_of(dimensions: Dimensions, load: Load) -> Step:
    """All calls of a forward, layer kinds in the order of the pattern."""
    kinds = dict.fromkeys(dimensions.pattern)
    calls = [
        call.times(dimensions.repeats * dimensions.pattern.count(kind))
        for kind in kinds
        for call in _layer(dimensions, kind, load)
    ]
    head = head_call(dimensions.outputs or dimensions.vocabulary, dimensions.hidden, load)
    return Step(load=load, calls=(*calls, head))


def _layer(dimensions: Dimensions, kind: str, load: Load) -> Iterator[Call]:
    hidden = dimensions.hidden
    if kind == "M" and dimensions.mamba:
        yield from mamba_calls(dimensions.mamba, hidden, load)
    if kind == "E" and dimensions.experts:
        yield from expert_calls(dimensions.experts, hidden, load)
    if kind == "*" and dimensions.attention:
        yield from attention_calls(dimensions.attention, hidden, load)
    if kind == "-" and dimensions.feed_forward:
        yield from feed_forward_calls(dimensions.feed_forward, hidden, load)
