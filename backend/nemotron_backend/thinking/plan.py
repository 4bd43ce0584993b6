"""Which requests of single sizes does one that thinks make?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from nemotron_backend.request import GenerationRequest, Thinking, ThinkingStop, TokenIds
from nemotron_backend.thinking.marks import Marks


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A request whose model thinks first, with `thinking_size`, and then answers with `answering_size`."""

    request: GenerationRequest
    marks: Marks
    thinking_size: str
    answering_size: str

    @property
    def takes_turns(self) -> bool:
        """Whether two sizes have a part in it."""
        return self.thinking_size != self.answering_size

    def first(self) -> GenerationRequest:
        """All choices up to where they must be handed over; to their end where none must."""
        request, thinking = self.request, self.request.thinking
        stop = ThinkingStop(
            end_id=self.marks.end_id,
            line_ends=self.marks.line_ends,
            budget=thinking.budget,
            grace=self._grace(),
            hands_over=self.takes_turns,
        )
        return replace(
            request,
            variant=replace(request.variant, size=self.thinking_size),
            stopping=replace(request.stopping, thinking=stop),
            thinking=Thinking(),
        )

    def second(self, index: int, token_ids: Sequence[int], num_answered: int) -> GenerationRequest:
        """The answer of a choice behind all tokens so far, of which `num_answered` are not the prompt's."""
        request = self.request
        return replace(
            request,
            id=f"{request.id}-answer-{index}",
            variant=replace(request.variant, size=self.answering_size),
            prompt=TokenIds(token_ids=tuple(token_ids)),
            sampling=replace(request.sampling, seed=_seed(request.sampling.seed + index)),
            stopping=replace(request.stopping, max_tokens=request.stopping.max_tokens - num_answered),
            num_choices=1,
            # Forwards that read the prompt again are part of the cost, and only the trace counts them.
            trace=True,
        )

    def _grace(self) -> int:
        """At most half of what the budget leaves, so that there is room for an answer."""
        left = self.request.stopping.max_tokens - self.request.thinking.budget
        return min(self.request.thinking.grace, max(0, left // 2))


def _seed(seed: int) -> int:
    """Another seed, or an answer would be drawn with the random numbers of its thoughts."""
    return int.from_bytes(sha256(f"{seed} answer".encode()).digest()[:6], "big")
