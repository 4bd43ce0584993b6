"""What is one point of an evaluation: which network answers, and how?"""

from dataclasses import dataclass, replace

from nemotron_backend.request import Decoding, Thinking, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Everything about an answer but its question."""

    variant: Variant
    decoding: Decoding
    thinking: Thinking
    is_thinking: bool

    @property
    def is_pair(self) -> bool:
        """Whether one size thinks and another answers."""
        return "+" in self.variant.size

    @property
    def from_left_to_right(self) -> "Point":
        """The same network, decoding token by token."""
        return replace(self, variant=replace(self.variant, decode="autoregressive"), decoding=Decoding())

    @property
    def label(self) -> str:
        """The point in words; what is at its default is left out."""
        return " ".join(part for part in self.parts if part)

    @property
    def parts(self) -> tuple[str, ...]:
        """Each choice in words, empty where it is the default; always as many."""
        variant, decoding, thinking = self.variant, self.decoding, self.thinking
        return (
            "" if variant.size == "full" else variant.size,
            variant.precision,
            variant.decode,
            f"block {decoding.block_length}" if decoding.block_length else "",
            f"threshold {decoding.threshold:g}" if decoding.threshold else "",
            "" if decoding.drafting == "linear" else decoding.drafting,
            "" if self.is_thinking else "without thinking",
            f"budget {thinking.budget}" if thinking.budget >= 0 else "",
            "state handed over" if thinking.handover == "state" else "",
        )
