"""Where does a caller stand, on an answer for which nothing was charged?"""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nemotron_app.meter import Meter
from nemotron_app.record import record_of

_TOLD = "ratelimit"


class TellLimits:
    """Puts the caller's limits on every answer of the API that does not carry them already."""

    def __init__(self, app: ASGIApp, meter: Meter) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = record_of(scope)

        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = Headers(raw=message["headers"])
                if _TOLD not in record.headers and _TOLD not in headers:
                    record.headers |= await self._meter.limits(record.caller)
            await send(message)

        await self._app(scope, receive, send_with_limits)
