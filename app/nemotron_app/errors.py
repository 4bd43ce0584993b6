"""How does a failure look to the caller?

GatewayError                 a status, OpenAI's type and code, the field, extra headers
├── BadRequest           400 a field is wrong; `param` names it
├── Unauthenticated      401 no key, or not a good one
├── Forbidden            403 the key is good, but not for this
├── NotFound             404 no such route or model
├── BodyTimeout          408 the body never came
├── BodyTooLarge         413 the body is over the cap
├── UnsupportedBody      415 the body is not JSON
├── NotReady             503 starting or draining
└── EngineSilent         504 the engine said nothing for too long

What the catalog, the engines and the limits raise rises untouched and is translated here, once.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, ClassVar

from nemotron_app.caller import Caller
from nemotron_app.limits.errors import InvalidAmount, LimiterUnavailable, LimitExceeded, QueueFull
from nemotron_app.limits.headers import refusal_headers, unavailable_headers
from nemotron_app.limits.state import LimitName
from nemotron_backend.catalog import ModelNotServed, UnavailableKnob, UnknownModel
from nemotron_backend.engine import (
    ContextTooLong,
    EngineBusy,
    EngineFailed,
    EngineStarting,
    InvalidRequest,
    UnknownVariant,
)

INVALID_REQUEST = "invalid_request_error"
SERVER_ERROR = "server_error"


class GatewayError(Exception):
    """Root of what the gateway itself refuses; a subclass fixes the status and OpenAI's type.

    `caller` is set where a caller is refused who is known all the same.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = SERVER_ERROR

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.param = param
        self.code = code
        self.headers = dict(headers or {})
        self.caller: Caller | None = None


class BadRequest(GatewayError):
    """A field is wrong, or asks for what is not served."""

    status = 400
    type = INVALID_REQUEST


class Unauthenticated(GatewayError):
    """No key, or one that is unknown, revoked or expired."""

    status = 401
    type = "authentication_error"


class Forbidden(GatewayError):
    """The caller is known, but may not do this."""

    status = 403
    type = "permission_error"


class NotFound(GatewayError):
    """No such route or model."""

    status = 404
    type = INVALID_REQUEST


class BodyTimeout(GatewayError):
    """The body never came."""

    status = 408
    type = INVALID_REQUEST


class BodyTooLarge(GatewayError):
    """The body is over the cap."""

    status = 413
    type = INVALID_REQUEST


class UnsupportedBody(GatewayError):
    """The body is declared to be something other than JSON."""

    status = 415
    type = INVALID_REQUEST


class NotReady(GatewayError):
    """The server starts or drains; it may be asked again."""

    status = 503


class EngineSilent(GatewayError):
    """The engine said nothing for too long."""

    status = 504


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A failure as the wire shows it."""

    status: int
    type: str
    message: str
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def envelope(self, request_id: str) -> dict[str, Any]:
        """OpenAI's `error` object, with NVIDIA's four fields beside it."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {
            "error": error,
            "status": self.status,
            "title": HTTPStatus(self.status).phrase,
            "detail": self.message,
            "requestId": request_id,
        }


def _of_gateway(error: GatewayError) -> Problem:
    return Problem(
        status=error.status,
        type=error.type,
        message=str(error),
        code=error.code,
        param=error.param,
        headers=error.headers,
    )


def _of_unknown_model(error: UnknownModel) -> Problem:
    return Problem(
        status=404, type=INVALID_REQUEST, message=str(error), code="model_not_found", param="model"
    )


def _of_model_not_served(error: ModelNotServed) -> Problem:
    return Problem(
        status=404, type=INVALID_REQUEST, message=str(error), code="model_not_served", param="model"
    )


def _of_unavailable_knob(error: UnavailableKnob) -> Problem:
    param = "model" if error.field == "model" else f"nvext.{error.field}"
    return Problem(
        status=400, type=INVALID_REQUEST, message=str(error), code="unavailable_variant", param=param
    )


def _of_invalid_request(error: InvalidRequest) -> Problem:
    return Problem(status=400, type=INVALID_REQUEST, message=str(error), param=error.field)


def _of_context_too_long(error: ContextTooLong) -> Problem:
    code = "context_length_exceeded"
    return Problem(status=400, type=INVALID_REQUEST, message=str(error), code=code, param=error.field)


def _of_unknown_variant(error: UnknownVariant) -> Problem:
    return Problem(
        status=404, type=INVALID_REQUEST, message=str(error), code="model_not_found", param="model"
    )


def _of_starting(error: EngineStarting) -> Problem:
    return Problem(
        status=503,
        type=SERVER_ERROR,
        message=str(error),
        code="engine_starting",
        headers={"retry-after": "5"},
    )


def _of_busy(error: EngineBusy) -> Problem:
    seconds = str(max(1, math.ceil(error.retry_after)))
    return Problem(
        status=503,
        type=SERVER_ERROR,
        message=str(error),
        code="engine_busy",
        headers={"retry-after": seconds},
    )


def _of_failed(error: EngineFailed) -> Problem:
    return Problem(status=502, type=SERVER_ERROR, message=str(error), code="engine_failed")


# OpenAI's `type` says which limit it was; `code` is what its clients look at.
_LIMIT_TYPES: Mapping[LimitName, str] = {
    "requests": "requests",
    "tokens": "tokens",
    "tokens_per_day": "insufficient_quota",
    "in_flight": "concurrency",
    "sign_in_failures": "requests",
}


def _of_limit_exceeded(error: LimitExceeded) -> Problem:
    kind = _LIMIT_TYPES[error.limit.name]
    code = kind if kind == "insufficient_quota" else "rate_limit_exceeded"
    return Problem(status=429, type=kind, message=str(error), code=code, headers=refusal_headers(error))


def _of_limits_unavailable(error: LimiterUnavailable) -> Problem:
    headers = {"x-ratelimit-degraded": "1", **unavailable_headers(error)}
    code = "limits_unavailable"
    return Problem(status=503, type=SERVER_ERROR, message=str(error), code=code, headers=headers)


def _of_queue_full(error: QueueFull) -> Problem:
    headers = unavailable_headers(error)
    return Problem(status=503, type=SERVER_ERROR, message=str(error), code="queue_full", headers=headers)


def _of_invalid_amount(error: InvalidAmount) -> Problem:
    return Problem(status=400, type=INVALID_REQUEST, message=str(error), param="max_tokens")


# A subclass is found before its parent because the lookup follows the method resolution order.
_TRANSLATIONS: Mapping[type[Exception], Callable[[Any], Problem]] = {
    GatewayError: _of_gateway,
    UnknownModel: _of_unknown_model,
    ModelNotServed: _of_model_not_served,
    UnavailableKnob: _of_unavailable_knob,
    InvalidRequest: _of_invalid_request,
    ContextTooLong: _of_context_too_long,
    UnknownVariant: _of_unknown_variant,
    EngineStarting: _of_starting,
    EngineBusy: _of_busy,
    EngineFailed: _of_failed,
    LimitExceeded: _of_limit_exceeded,
    LimiterUnavailable: _of_limits_unavailable,
    QueueFull: _of_queue_full,
    InvalidAmount: _of_invalid_amount,
}

EXPECTED: tuple[type[Exception], ...] = tuple(_TRANSLATIONS)


def problem_of(error: Exception) -> Problem:
    """The wire's view of any failure; what nobody foresaw says nothing about its inside."""
    for kind in type(error).__mro__:
        if kind in _TRANSLATIONS:
            return _TRANSLATIONS[kind](error)
    message = "The server failed unexpectedly. The request id finds the reason in its log."
    return Problem(status=500, type=SERVER_ERROR, message=message, code="internal_error")
