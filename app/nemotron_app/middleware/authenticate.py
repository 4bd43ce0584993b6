"""May this caller come in?

Answered from the head of the request alone: a stranger's body is never read.
"""

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from nemotron_app.caller import Authenticator
from nemotron_app.errors import EXPECTED, GatewayError
from nemotron_app.middleware.refusal import refuse
from nemotron_app.record import record_of
from nemotron_app.telemetry import Telemetry

_GUARDED = ("/v1/", "/tokenize", "/detokenize")
_OPEN = ("/v1/health/",)


class Authenticate:
    """Names the caller of every API request in its record, or refuses it."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator, telemetry: Telemetry) -> None:
        self._app = app
        self._authenticator = authenticator
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_guarded(scope["path"]):
            record = record_of(scope)
            try:
                record.caller = await self._authenticator.authenticate(HTTPConnection(scope))
            except EXPECTED as error:
                if isinstance(error, GatewayError) and error.caller is not None:
                    record.caller = error.caller
                self._telemetry.limits.stranger(error)
                await refuse(error, scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_guarded(path: str) -> bool:
    return path.startswith(_GUARDED) and not path.startswith(_OPEN)
