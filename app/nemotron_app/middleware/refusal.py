"""How does a middleware refuse a request?"""

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from nemotron_app.accounts.key_text import redact
from nemotron_app.errors import Problem, problem_of


def response_of(problem: Problem, request_id: str) -> Response:
    """The HTTP answer of a failure. It may repeat what was asked for, but never a key."""
    return Response(
        redact(msgspec.json.encode(problem.envelope(request_id)).decode()),
        status_code=problem.status,
        headers=dict(problem.headers),
        media_type="application/json",
    )


async def refuse(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the error instead of going on."""
    request_id = scope["state"]["record"].request_id
    await response_of(problem_of(error), request_id)(scope, receive, send)
