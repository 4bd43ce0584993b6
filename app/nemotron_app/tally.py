"""What has one call made so far?"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from nemotron_backend.request import Delta, FinishReason, Forward, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What one verifying forward made of the tokens drafted for it."""

    num_drafted: int
    num_accepted: int


class Tally:
    """Counts the deltas of a call as they pass, so that an aborted call is known like a finished one."""

    def __init__(self) -> None:
        self.usages: dict[int, Usage] = {}
        self.finish_reasons: list[FinishReason] = []
        self.verifications: list[Verification] = []
        self.notices: list[str] = []
        self.scores: dict[int, Mapping[str, float]] = {}
        self._num_seen: Counter[int] = Counter()

    def add(self, delta: Delta) -> None:
        """Count one delta."""
        self._num_seen[delta.index] += len(delta.tokens) + delta.num_untold
        if delta.usage is not None:
            self.usages[delta.index] = delta.usage
        if delta.finish is not None:
            self.finish_reasons.append(delta.finish)
        if delta.scores:
            self.scores[delta.index] = {score.name: score.value for score in delta.scores}
        if delta.notice and delta.notice not in self.notices:
            self.notices.append(delta.notice)
        self.verifications += [_verified(forward) for forward in delta.trace if forward.kind == "verify"]

    @property
    def has_begun(self) -> bool:
        """Whether the engine has said anything, be it without a token."""
        return bool(self._num_seen)

    @property
    def num_tokens(self) -> int:
        """Tokens made: as the engine counts them where a choice has ended, as they were seen elsewhere."""
        ended = sum(usage.completion_tokens for usage in self.usages.values())
        return ended + sum(seen for index, seen in self._num_seen.items() if index not in self.usages)


def _verified(forward: Forward) -> Verification:
    states = [token.state for token in forward.tokens]
    accepted = states.count("accepted")
    return Verification(num_drafted=accepted + states.count("rejected"), num_accepted=accepted)
