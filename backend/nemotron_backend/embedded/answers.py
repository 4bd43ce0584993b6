"""Who waits for which deltas?"""

import asyncio
from itertools import count

from nemotron_backend.embedded.messages import Refused
from nemotron_backend.engine import EngineBusy, EngineError, EngineFailed, InvalidRequest
from nemotron_backend.request import Delta


class Answers:
    """One queue a running request; what an aborted one still gets is dropped."""

    def __init__(self) -> None:
        self._ids = count(1)
        self._queues: dict[int, asyncio.Queue[Delta | EngineError]] = {}

    def open(self) -> int:
        """A number for a new request, unlike any before."""
        request_id = next(self._ids)
        self._queues[request_id] = asyncio.Queue()
        return request_id

    async def next(self, request_id: int) -> Delta:
        """The next delta. Raises EngineError."""
        item = await self._queues[request_id].get()
        if isinstance(item, EngineError):
            raise item
        return item

    def close(self, request_id: int) -> None:
        """Nobody waits any more."""
        del self._queues[request_id]

    def put(self, request_id: int, item: Delta | EngineError) -> None:
        """Hand on what the process said."""
        if request_id in self._queues:
            self._queues[request_id].put_nowait(item)

    def fail_all(self, reason: str) -> None:
        """The process is gone, and all its answers with it."""
        for queue in self._queues.values():
            queue.put_nowait(EngineFailed(reason))


def error_of(refused: Refused) -> EngineError:
    """The exception that a refusal means."""
    match refused.kind:
        case "invalid":
            return InvalidRequest(refused.field, refused.reason)
        case "busy":
            return EngineBusy(refused.reason, retry_after=refused.retry_after)
        case "failed":
            return EngineFailed(refused.reason)
