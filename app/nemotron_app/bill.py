"""What has a call used so far, and in the end?"""

from dataclasses import dataclass, field
from time import perf_counter

from nemotron_app.accounts import Spent
from nemotron_app.tally import Tally
from nemotron_app.wire.asked import Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """Reads the tally of a call whose prompts have so many tokens.

    The prompts count once the engine has said anything, for then it has read them. Where their tokens were
    `guessed`, they are as many as the engine tells in the end, if it does.
    """

    num_prompt_tokens: int
    tally: Tally
    guessed: Asked | None = None
    started: float = field(default_factory=perf_counter)

    def tokens(self) -> int:
        """All tokens, as they are charged."""
        return self._num_read() + self.tally.num_tokens

    def spent(self) -> Spent:
        """All that the ledger keeps."""
        usages = self.tally.usages.values()
        return Spent(
            prompt_tokens=self._num_read(),
            cached_tokens=min(self._num_read(), sum(usage.cached_tokens for usage in usages)),
            completion_tokens=self.tally.num_tokens,
            reasoning_tokens=sum(usage.reasoning_tokens for usage in usages),
            forwards=sum(usage.forwards for usage in usages),
            milliseconds=round(1000 * (perf_counter() - self.started)),
        )

    def _num_read(self) -> int:
        if not self.tally.has_begun:
            return 0
        return self._num_told() or self.num_prompt_tokens

    def _num_told(self) -> int:
        """The prompts as the engine counts them; 0 where they were counted before, or are not all told."""
        if self.guessed is None:
            return 0
        num_choices = self.guessed.requests[0].num_choices
        prompts = [u.prompt_tokens for index, u in self.tally.usages.items() if index % num_choices == 0]
        return sum(prompts) if len(prompts) == len(self.guessed.requests) else 0
