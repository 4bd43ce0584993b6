"""How are bodies and failures described in the OpenAPI document?

Bodies are read by our own parser, so FastAPI does not see their models and is told of them here.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from nemotron_app.wire.answer import ChatChunk, ErrorAnswer, TextChunk
from nemotron_app.wire.chat import ChatBody
from nemotron_app.wire.completion import CompletionBody
from nemotron_app.wire.fields import Wire
from nemotron_app.wire.responses.answer import ResponseEvent
from nemotron_app.wire.responses.body import ResponsesBody
from nemotron_app.wire.score_body import ScoreLine, ScoresBody
from nemotron_app.wire.tokens import DetokenizeBody, TokenizeBody

_BODIES: tuple[type[Wire], ...] = (
    ChatBody,
    CompletionBody,
    ResponsesBody,
    ScoresBody,
    TokenizeBody,
    DetokenizeBody,
)
_REFERENCE = "#/components/schemas/{model}"
_REASONS = {
    400: "A field is wrong; `param` names it.",
    401: "No API key, or not a good one.",
    403: "The key is good, but not for this.",
    404: "No such model or route.",
    408: "The body did not arrive.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    429: "A limit is used up; the message says which, and when it frees.",
    502: "The engine broke.",
    503: "Starting, busy or shutting down; `Retry-After` says when to come back.",
    504: "The engine said nothing for too long.",
}

GENERATION_FAILURES = (400, 401, 403, 404, 408, 413, 415, 429, 502, 503, 504)

Responses = dict[int | str, dict[str, Any]]


def body_document(kind: type[Wire]) -> dict[str, Any]:
    """`openapi_extra` of a route that reads `kind`."""
    schema = {"$ref": _REFERENCE.format(model=kind.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def failures(*statuses: int) -> Responses:
    """`responses` of a route that may fail so."""
    return {status: {"model": ErrorAnswer, "description": _REASONS[status]} for status in statuses}


def streamed(whole: Any, chunk: type[Any]) -> Responses:
    """`responses` of a route that answers with `whole`, or with events that each hold a `chunk`."""
    piece = {
        "contentMediaType": "application/json",
        "contentSchema": {"$ref": _REFERENCE.format(model=chunk.__name__)},
    }
    data = {"type": "string", "anyOf": [{"const": "[DONE]"}, piece]}
    event = {"type": "object", "required": ["data"], "properties": {"data": data}}
    return {
        200: {
            "model": whole,
            "content": {"text/event-stream": {"schema": event}},
            "description": "The answer, or a stream of its parts.",
        }
    }


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the bodies in it."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    _, bodies = models_json_schema([(body, "validation") for body in _BODIES], ref_template=_REFERENCE)
    chunks = TypeAdapter(ChatChunk | TextChunk | ResponseEvent | ScoreLine).json_schema(
        ref_template=_REFERENCE
    )
    document["components"]["schemas"] |= bodies["$defs"] | chunks["$defs"]
    _drop_unprocessable(document)
    return document


def _drop_unprocessable(document: dict[str, Any]) -> None:
    """FastAPI announces a 422 of its own; here it is a 400 as any other."""
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
