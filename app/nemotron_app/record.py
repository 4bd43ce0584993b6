"""What is known of one HTTP request while it passes?"""

from dataclasses import dataclass, field
from time import perf_counter

from starlette.types import Scope

from nemotron_app.caller import ANONYMOUS, Caller
from nemotron_app.tally import Tally
from nemotron_backend.request import Variant


@dataclass(slots=True, kw_only=True)
class Record:
    """Filled in along the way by whoever learns something; read once, when the answer has ended."""

    request_id: str
    started: float = field(default_factory=perf_counter)
    caller: Caller = ANONYMOUS
    variant: Variant | None = None
    is_stream: bool = False
    tally: Tally = field(default_factory=Tally)
    status: int = 500
    # The status once it can no longer be sent: the client left, or the stream broke.
    late_status: int | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def outcome(self) -> int:
        """The status that tells how it ended, sent or not."""
        return self.late_status or self.status


def record_of(scope: Scope) -> Record:
    """The record that the outermost middleware opened for this request."""
    record = scope["state"]["record"]
    assert isinstance(record, Record)
    return record
