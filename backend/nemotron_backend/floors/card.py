"""What can a GPU do at most?"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A GPU's memory bandwidth in bytes per second and its BF16 rate in operations per second."""

    name: str
    bandwidth: float
    rate: float
    source: str

    def seconds(self, num_bytes: float, operations: float) -> float:
        """The floor of work that moves and computes so much."""
        return max(num_bytes / self.bandwidth, operations / self.rate)


H100 = Card(name="H100", bandwidth=3.0e12, rate=800e12, source="copies and products that were measured")
B200 = Card(name="B200", bandwidth=8.0e12, rate=2200e12, source="datasheet, so a tenth or so too fast")
CARDS = (H100, B200)
