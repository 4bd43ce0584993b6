"""Is the server still taking requests?"""

from starlette.types import ASGIApp, Receive, Scope, Send

from nemotron_app.drain import Drain
from nemotron_app.errors import NotReady
from nemotron_app.middleware.refusal import refuse


class Admit:
    """Refuses new work while the server drains, and counts what is under way."""

    def __init__(self, app: ASGIApp, drain: Drain) -> None:
        self._app = app
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not _is_work(scope["path"]):
            await self._app(scope, receive, send)
        elif self._drain.is_draining:
            error = NotReady("the server is shutting down", code="draining", headers={"retry-after": "5"})
            await refuse(error, scope, receive, send)
        else:
            with self._drain.taking():
                await self._app(scope, receive, send)


def _is_work(path: str) -> bool:
    return path.startswith(("/v1/", "/tokenize", "/detokenize"))
