"""How are the parts put together?"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from nemotron_app import __version__
from nemotron_app.caller import Authenticator, Open
from nemotron_app.drain import Drain
from nemotron_app.errors import EXPECTED, INVALID_REQUEST, BadRequest, Problem, problem_of
from nemotron_app.gateway import Gateway
from nemotron_app.late_page import LatePage
from nemotron_app.membership import Membership
from nemotron_app.meter import Meter, Unmetered
from nemotron_app.middleware.admit import Admit
from nemotron_app.middleware.authenticate import Authenticate
from nemotron_app.middleware.body_cap import BodyCap
from nemotron_app.middleware.cross_origin import CrossOrigin
from nemotron_app.middleware.observe import Observe
from nemotron_app.middleware.refusal import response_of
from nemotron_app.middleware.tell_limits import TellLimits
from nemotron_app.pulse import Patience
from nemotron_app.record import record_of
from nemotron_app.routes import chat, completions, documents, health, models, responses, scores, tokens
from nemotron_app.routes.elsewhere import catch_rest
from nemotron_app.routes.usage import usage_router
from nemotron_app.settings import Settings
from nemotron_app.telemetry import Telemetry
from nemotron_app.versions import maker_of
from nemotron_app.wire.translate import Translator
from nemotron_backend.catalog import Catalog
from nemotron_backend.engine import Engine

Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]
EngineOpener = Callable[[Settings], Awaitable[Engine]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an app is made of; the defaults take everyone in and charge nothing.

    A membership brings routes and upkeep; `with_membership` also takes authenticator and meter from it.
    """

    settings: Settings
    catalog: Catalog
    open_engine: EngineOpener
    drain: Drain = field(default_factory=Drain)
    telemetry: Telemetry = field(default_factory=Telemetry)
    authenticator: Authenticator = field(default_factory=Open)
    meter: Meter = field(default_factory=Unmetered)
    membership: Membership | None = None
    page: LatePage | None = None


def with_membership(parts: Parts, membership: Membership) -> Parts:
    """The same app for those who may come in, each charged for what they use."""
    authenticator, meter = membership.accounts.authenticator, membership.meter
    return replace(parts, authenticator=authenticator, meter=meter, membership=membership)


def create_app(parts: Parts) -> FastAPI:
    """The API. The engine opens with the app's lifespan and closes with it."""
    app = FastAPI(
        title="Nemotron Playground",
        version=__version__,
        description="An OpenAI-compatible API in which every request chooses its variant.",
        lifespan=_lifespan(parts),
        middleware=_middleware(parts),
        exception_handlers=_handlers(),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.settings = parts.settings
    for router in _routers(parts):
        app.include_router(router)
    if parts.page is not None:
        app.mount("/", parts.page)
    app.openapi = lambda: documents.describe(app)  # type: ignore[method-assign]  # FastAPI's own way
    return app


def _routers(parts: Parts) -> list[APIRouter]:
    routers = [module.router for module in (chat, completions, responses, scores, models, tokens, health)]
    if parts.membership is not None:
        routers += [usage_router(parts.membership), *parts.membership.accounts.routers]
    return [*routers, catch_rest([route for router in routers for route in router.routes])]


def _lifespan(parts: Parts) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
        async with AsyncExitStack() as stack:
            if parts.membership is not None:
                await stack.enter_async_context(parts.membership.running())
            engine = await parts.open_engine(parts.settings)
            stack.push_async_callback(engine.aclose)
            app.state.gateway = _gateway(parts, engine)
            if parts.page is not None:
                await stack.enter_async_context(parts.page.opening())
            yield

    return lifespan


def _gateway(parts: Parts, engine: Engine) -> Gateway:
    settings = parts.settings
    return Gateway(
        catalog=parts.catalog,
        engine=engine,
        translator=Translator(parts.catalog, engine, max_choices=settings.max_choices),
        meter=parts.meter,
        membership=parts.membership,
        telemetry=parts.telemetry,
        drain=parts.drain,
        patience=Patience(
            hold=settings.hold_seconds,
            keep_alive=settings.keep_alive_seconds,
            silence=settings.silence_seconds,
        ),
        maker=maker_of(engine.status().name),
    )


def _middleware(parts: Parts) -> list[Middleware]:
    """Outermost first: a refusal further in still gets an id, a log line and its CORS headers."""
    return [
        Middleware(Observe, telemetry=parts.telemetry),
        Middleware(CrossOrigin),
        Middleware(TellLimits, meter=parts.meter),
        Middleware(Authenticate, authenticator=parts.authenticator, telemetry=parts.telemetry),
        Middleware(Admit, drain=parts.drain),
        Middleware(BodyCap, max_bytes=parts.settings.max_body_bytes),
    ]


def _handlers() -> dict[int | type[Exception], Handler]:
    handlers: dict[int | type[Exception], Handler] = dict.fromkeys(EXPECTED, _answer_error)
    return handlers | {
        RequestValidationError: _answer_validation,
        HTTPException: _answer_http,
        ClientDisconnect: _forget,
        Exception: _answer_error,
    }


async def _answer_error(request: Request, error: Exception) -> Response:
    record = record_of(request.scope)
    response = response_of(problem_of(error), record.request_id)
    # The outermost error handler of Starlette answers past our own middleware.
    response.headers.update(record.headers | {"x-request-id": record.request_id})
    return response


async def _answer_validation(request: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    param = ".".join(str(part) for part in first["loc"][1:])
    return await _answer_error(request, BadRequest(f"{param}: {first['msg']}", param=param))


async def _answer_http(request: Request, error: HTTPException) -> Response:
    message = error.detail
    if error.status_code == 404:
        message = f"there is no {request.method} {request.url.path[:256]}"
    problem = Problem(
        status=error.status_code,
        type=INVALID_REQUEST,
        message=message,
        code="not_found" if error.status_code == 404 else None,
        headers=error.headers or {},
    )
    return response_of(problem, record_of(request.scope).request_id)


async def _forget(request: Request, error: ClientDisconnect) -> Response:
    """The client left while it still sent its body; this answer reaches nobody."""
    record_of(request.scope).late_status = 499
    return Response(status_code=400)
