"""How large may a body be?"""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nemotron_app.errors import BodyTooLarge


class BodyCap:
    """Stops reading a body at `max_bytes`, whether its length was declared or not.

    The error rises out of the reader, so that it is translated where all errors are.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        num_bytes = 0
        declared = Headers(scope=scope).get("content-length", "")

        async def receive_some() -> Message:
            nonlocal num_bytes
            if declared.isdecimal() and int(declared) > self._max_bytes:
                raise self._too_large()
            message = await receive()
            num_bytes += len(message.get("body", b""))
            if num_bytes > self._max_bytes:
                raise self._too_large()
            return message

        await self._app(scope, receive_some, send)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"a body may have {self._max_bytes} bytes", code="body_too_large")
