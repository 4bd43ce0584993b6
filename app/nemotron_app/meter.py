"""Where is a call charged?"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol

from nemotron_app.caller import Caller
from nemotron_app.record import Record
from nemotron_app.wire.asked import Asked
from nemotron_backend.engine import Engine


class Meter(Protocol):
    """Says what a caller may spend, and writes down what was spent."""

    def charge(self, record: Record, asked: Asked, engine: Engine) -> AbstractAsyncContextManager[None]:
        """Enter it before the engine starts: that may wait, and may refuse the call. Leave it when the
        engine has ended, however it ended: the record's tally then tells what was made. Puts limits into
        the record's headers.
        """
        ...

    async def limits(self, caller: Caller) -> Mapping[str, str]:
        """The headers of an answer for which nothing was charged."""
        ...


class Unmetered:
    """Lets everyone spend as they like."""

    def charge(self, record: Record, asked: Asked, engine: Engine) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def limits(self, caller: Caller) -> Mapping[str, str]:
        return {}
