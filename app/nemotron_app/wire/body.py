"""How does a body become a value?

It is parsed in one pass straight from its bytes, which settles invalid UTF-8, lone surrogates, deep
nesting, NaN and numbers without end before any code of ours runs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from annotated_types import Ge, Gt, Le, Lt
from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from nemotron_app.errors import BadRequest, BodyTimeout, UnsupportedBody
from nemotron_app.wire.fields import Wire

Body = TypeVar("Body", bound=Wire)

_RANGE_ERRORS = frozenset(
    {"less_than", "less_than_equal", "greater_than", "greater_than_equal", "finite_number"}
)


def body_of(kind: type[Body]) -> Callable[[Request], Awaitable[Body]]:
    """A dependency that reads a request's body as `kind`."""

    async def read(request: Request) -> Body:
        _check_media_type(request.headers.get("content-type", "application/json"))
        seconds = request.app.state.settings.body_seconds
        try:
            async with asyncio.timeout(seconds):
                content = await request.body()
        except TimeoutError as error:
            raise BodyTimeout(f"the body did not arrive within {seconds:g} seconds") from error
        return parse(kind, content)

    return read


def parse(kind: type[Body], content: bytes) -> Body:
    """The value that `content` spells. Raises BadRequest that names the first wrong field."""
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise _refusal(kind, error) from error


def _check_media_type(value: str) -> None:
    media_type = value.partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedBody(f"send the body as application/json, not {media_type[:64]!r}")


def _refusal(kind: type[BaseModel], error: ValidationError) -> BadRequest:
    details = error.errors(include_url=False, include_input=False)
    # Of the branches of a union, the one that got furthest is what the caller meant.
    first = max(details, key=lambda detail: len(detail["loc"]))
    if first["type"] == "json_invalid":
        reason = first["msg"].removeprefix("Invalid JSON: ")
        return BadRequest(f"the body is not valid JSON: {reason}", code="invalid_json")
    param = _spell(first["loc"])
    if not param:
        return BadRequest("the body must be a JSON object")
    return BadRequest(_sentence(kind, first, param), param=param)


def _spell(location: Sequence[int | str]) -> str:
    """`messages[0].content`: the location without the names that pydantic gives to branches of a union."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part in {"str", "[key]"} or "[" in part:
            continue
        else:
            text += f".{part}" if text else part
    return text


def _sentence(kind: type[BaseModel], detail: ErrorDetails, param: str) -> str:
    if detail["type"] == "missing":
        return f"{param} is required"
    field = kind.model_fields.get(param)
    if detail["type"] in _RANGE_ERRORS and field is not None:
        return f"{param} must be {_range(field.metadata)}"
    return f"{param}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _range(metadata: Sequence[Any]) -> str:
    words: list[str] = []
    for bound in metadata:
        match bound:
            case Ge(ge=value):
                words.append(f"at least {value}")
            case Gt(gt=value):
                words.append(f"above {value}")
            case Le(le=value):
                words.append(f"at most {value}")
            case Lt(lt=value):
                words.append(f"below {value}")
            case _:
                continue
    return " and ".join(words) or "a finite number"
