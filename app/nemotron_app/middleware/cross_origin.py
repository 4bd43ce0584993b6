"""May a page of another origin call the API?

Yes: callers are told apart by bearer keys, never by cookies, so a foreign page has no more than its own key.
"""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from nemotron_app.limits.headers import EXPOSED

_EXPOSED = (
    "x-request-id",
    "x-client-request-id",
    "x-nemo-size",
    "x-nemo-precision",
    "x-nemo-decode-mode",
    "www-authenticate",
    *EXPOSED,
)


class CrossOrigin:
    """CORS for the API alone; the page answers only its own origin."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open = CORSMiddleware(
            app, allow_origins=("*",), allow_methods=("*",), allow_headers=("*",), expose_headers=_EXPOSED
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_api = scope["type"] == "http" and scope["path"].startswith("/v1/")
        await (self._open if is_api else self._app)(scope, receive, send)
