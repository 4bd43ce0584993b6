"""What is answered where the API has no route?

Without this the page, which is mounted at the root, would answer in its own way.
"""

from collections.abc import Sequence

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


def catch_rest(routes: Sequence[BaseRoute]) -> APIRouter:
    """A router for what none of `routes` takes."""
    router = APIRouter()

    @router.api_route("/v1/{path:path}", methods=_METHODS, include_in_schema=False)
    async def refuse(request: Request) -> Response:
        """405 where another method would do, else 404."""
        methods = {method for route in routes for method in _other_methods(route, request)}
        if methods:
            raise HTTPException(405, headers={"allow": ", ".join(sorted(methods))})
        raise HTTPException(404)

    return router


def _other_methods(route: BaseRoute, request: Request) -> set[str]:
    if isinstance(route, Route) and route.matches(request.scope)[0] is Match.PARTIAL:
        return set(route.methods or ())
    return set()
