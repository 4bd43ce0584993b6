"""What has a call used so far, and in the end?"""

from dataclasses import dataclass, field
from time import perf_counter

from nemotron_app.accounts import Spent
from nemotron_app.tally import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """Reads the tally of a call whose prompts have so many tokens.

    The prompts count once the engine has said anything, for then it has read them.
    """

    num_prompt_tokens: int
    tally: Tally
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
        return self.num_prompt_tokens if self.tally.has_begun else 0
