"""What went wrong, in words for people, and what can they do?"""

from dataclasses import dataclass
from typing import Any

from openai import APIConnectionError, APIError, APIStatusError

from nemotron_app.ui import strings
from nemotron_app.ui.site import SignedOut, VisitorError


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A failure with a way out of it; `request_id` finds it in the server's log."""

    title: str
    message: str
    way_out: str
    request_id: str = ""


def trouble_of(error: APIError | VisitorError) -> Trouble:
    """What a failed call means to a person."""
    if isinstance(error, VisitorError):
        return _unnamed(error)
    if isinstance(error, APIConnectionError):
        return Trouble(
            title=strings.UNREACHABLE_TITLE,
            message=strings.UNREACHABLE_MESSAGE,
            way_out=strings.UNREACHABLE_WAY_OUT,
        )
    title, way_out = _words(error)
    return Trouble(
        title=title,
        message=_message(error),
        way_out=way_out.format(time=_wait(error)),
        request_id=_request_id(error),
    )


def _unnamed(error: VisitorError) -> Trouble:
    if isinstance(error, SignedOut):
        return Trouble(
            title=strings.NOBODY_TITLE, message=strings.NOBODY_MESSAGE, way_out=strings.NOBODY_WAY_OUT
        )
    return Trouble(
        title=strings.UNIDENTIFIABLE_TITLE, message=str(error), way_out=strings.UNIDENTIFIABLE_WAY_OUT
    )


def _words(error: APIError) -> tuple[str, str]:
    if error.code is not None and error.code in strings.TROUBLES:
        return strings.TROUBLES[error.code]
    status = error.status_code if isinstance(error, APIStatusError) else 0
    return strings.TROUBLES_BY_STATUS.get(status, strings.TROUBLE_OTHERWISE)


def _wait(error: APIError) -> str:
    """How long the server wants to be left alone, in words: `1 s`, `3 min`, `11 h 5 min`."""
    told = error.response.headers.get("retry-after", "") if isinstance(error, APIStatusError) else ""
    if not told.isdecimal():
        return strings.A_WHILE
    minutes = -(-int(told) // 60)
    if int(told) < 60:
        return f"{told} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _message(error: APIError) -> str:
    body: Any = error.body
    if isinstance(body, dict) and body.get("message"):
        return str(body["message"])
    return error.message


def _request_id(error: APIError) -> str:
    return (error.request_id or "") if isinstance(error, APIStatusError) else ""
