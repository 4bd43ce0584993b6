"""May this caller come in?

Answered from the head of the request alone: a stranger's body is never read.
"""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from nemotron_app.caller import Authenticator
from nemotron_app.errors import GatewayError
from nemotron_app.middleware.refusal import refuse
from nemotron_app.record import record_of

_GUARDED = ("/v1/", "/tokenize", "/detokenize")
_OPEN = ("/v1/health/",)


class Authenticate:
    """Names the caller of every API request in its record, or refuses it."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_guarded(scope["path"]):
            try:
                caller = await self._authenticator.authenticate(Headers(scope=scope))
            except GatewayError as error:
                await refuse(error, scope, receive, send)
                return
            record_of(scope).caller = caller
        await self._app(scope, receive, send)


def _is_guarded(path: str) -> bool:
    return path.startswith(_GUARDED) and not path.startswith(_OPEN)
