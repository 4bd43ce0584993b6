"""What does one call ask for, once it is understood?"""

from dataclasses import dataclass

from nemotron_backend.request import GenerationRequest, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call: a request to the engine for each of its prompts, all of one variant.

    `num_prompt_tokens` is known only where the caller wants usage before the end. `has_limit` says that
    the caller, not a default, chose how long an answer may be, `has_switch` that the model might think.
    """

    id: str
    created: int
    requests: tuple[GenerationRequest, ...]
    stream: bool
    include_usage: bool
    num_prompt_tokens: int | None
    has_limit: bool
    show_trace: bool
    has_switch: bool = False

    @property
    def variant(self) -> Variant:
        """Which network answers."""
        return self.requests[0].variant

    @property
    def num_answers(self) -> int:
        """Choices of all prompts together."""
        return sum(request.num_choices for request in self.requests)

    @property
    def wants_scores(self) -> bool:
        """Whether answers are judged, and none made."""
        return self.requests[0].wish == "scores"

    @property
    def wants_logprobs(self) -> bool:
        """Whether the answer carries log-probabilities."""
        return self.requests[0].num_top_logprobs is not None
