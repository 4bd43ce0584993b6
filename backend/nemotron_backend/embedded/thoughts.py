"""Does an answer still think, and must it stop there?"""

from nemotron_backend.request import FinishReason, ThinkingStop


class Thoughts:
    """Counts the tokens that come before the answer proper; without a `stop` there are none."""

    def __init__(self, stop: ThinkingStop | None) -> None:
        self._stop = stop
        self._num_tokens = 0

    @property
    def are_open(self) -> bool:
        """Whether what comes next is still a thought."""
        return self._stop is not None

    def take(self, token_id: int) -> FinishReason | None:
        """Count a token; tells why it has to be the answer's last, if it has."""
        stop = self._stop
        if stop is None:
            return None
        self._num_tokens += 1
        if token_id == stop.end_id:
            self._stop = None
            return "stop" if stop.hands_over else None
        excess = self._num_tokens - stop.budget
        is_over = stop.budget >= 0 and excess >= 0
        return "length" if is_over and (token_id in stop.line_ends or excess >= stop.grace) else None
