"""Is the server well?"""

from typing import Any, Literal, NotRequired

import msgspec
from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response
from typing_extensions import TypedDict

from nemotron_app.errors import NotReady, problem_of
from nemotron_app.gateway import Gateway, Here
from nemotron_app.membership import Membership
from nemotron_app.record import record_of
from nemotron_app.wire.answer import ErrorBody
from nemotron_backend.engine import EngineState, EngineStatus

router = APIRouter()


class Live(TypedDict):
    """The process runs."""

    object: Literal["health.response"]
    message: Literal["live"]


class Ready(TypedDict):
    """Whether requests are answered, and what the engine does."""

    object: Literal["health.response"]
    message: str
    state: EngineState | Literal["draining"]
    progress: str
    engine: dict[str, Any]
    limits: NotRequired["LimitsHealth"]


class LimitsHealth(TypedDict):
    """How limits are kept: degraded while the shared store is away. Why stands in the log."""

    backend: str
    degraded: bool
    outages: int
    queue_running: int
    queue_waiting: int


class NotReadyAnswer(Ready):
    """The same, as a failure."""

    error: ErrorBody
    status: int
    title: str
    detail: str
    requestId: NotRequired[str]


@router.get("/v1/health/live")
async def live() -> Live:
    """Whether the process runs."""
    return {"object": "health.response", "message": "live"}


@router.get(
    "/v1/health/ready",
    response_model=Ready,
    responses={503: {"model": NotReadyAnswer, "description": "Starting, failed or shutting down."}},
)
async def ready(request: Request, gateway: Here) -> Response:
    """Whether requests are answered; 503 with the progress until they are."""
    answer = _ready(gateway)
    if answer["state"] == "ready":
        return _json(answer, 200, {})
    error = NotReady(answer["progress"], code=f"engine_{answer['state']}", headers={"retry-after": "2"})
    problem = problem_of(error)
    envelope = problem.envelope(record_of(request.scope).request_id)
    # OpenAI's client keeps only the inner object of a failure.
    envelope["error"] |= {"state": answer["state"], "progress": answer["progress"]}
    return _json({**answer, **envelope}, problem.status, dict(problem.headers))


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(gateway: Here) -> Response:
    """Metrics in Prometheus' text format."""
    if gateway.membership is not None:
        gateway.telemetry.limits.watch(gateway.membership.limiter.status(), gateway.membership.queue)
    content = gateway.telemetry.expose(gateway.engine.status(), gateway.drain.num_active)
    return Response(content, media_type=CONTENT_TYPE_LATEST)


def _ready(gateway: Gateway) -> Ready:
    status = gateway.engine.status()
    draining = gateway.drain.is_draining
    answer: Ready = {
        "object": "health.response",
        "message": "draining" if draining else status.state,
        "state": "draining" if draining else status.state,
        "progress": "the server is shutting down" if draining else status.progress,
        "engine": _engine(status),
    }
    if gateway.membership is not None:
        answer["limits"] = _limits(gateway.membership)
    return answer


def _limits(membership: Membership) -> LimitsHealth:
    status = membership.limiter.status()
    return {
        "backend": status.backend,
        "degraded": status.is_degraded,
        "outages": status.num_outages,
        "queue_running": membership.queue.num_running,
        "queue_waiting": membership.queue.num_waiting,
    }


def _engine(status: EngineStatus) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(status)
    return fields


def _json(content: object, status: int, headers: dict[str, str]) -> Response:
    return Response(msgspec.json.encode(content), status, headers, "application/json")
