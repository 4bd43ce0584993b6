"""Which request was this, and how did it end?"""

import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nemotron_app.record import Record
from nemotron_app.telemetry import Telemetry

_LONGEST_ID = 128


class Observe:
    """Gives every request an id and a record; counts and logs it when its answer has ended."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = Record(request_id=f"req_{secrets.token_hex(12)}")
        scope.setdefault("state", {})["record"] = record
        theirs = _printable(Headers(scope=scope).get("x-request-id", ""))

        async def send_with_ids(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = record.request_id
                if theirs:
                    headers["x-client-request-id"] = theirs
                headers.update(record.headers)
            await send(message)

        try:
            await self._app(scope, receive, send_with_ids)
        finally:
            self._telemetry.finish(scope, record)


def _printable(value: str) -> str:
    """A caller's id if it is short and harmless, else nothing."""
    is_good = len(value) <= _LONGEST_ID and value.isascii() and value.isprintable()
    return value if is_good else ""
