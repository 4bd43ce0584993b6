"""What has one call made so far?"""

from nemotron_backend.request import Delta, FinishReason, Usage


class Tally:
    """Counts the deltas of a call as they pass, so that an aborted call is known as well as a finished one."""

    def __init__(self) -> None:
        self.num_tokens = 0
        self.usages: dict[int, Usage] = {}
        self.finish_reasons: list[FinishReason] = []

    def add(self, delta: Delta) -> None:
        """Count one delta."""
        self.num_tokens += len(delta.tokens)
        if delta.usage is not None:
            self.usages[delta.index] = delta.usage
        if delta.finish is not None:
            self.finish_reasons.append(delta.finish)
