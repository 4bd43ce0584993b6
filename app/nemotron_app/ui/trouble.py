"""What went wrong, in words for people, and what can they do?"""

from dataclasses import dataclass
from typing import Any

from openai import APIConnectionError, APIError, APIStatusError

from nemotron_app.ui import strings


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A failure with a way out of it; `request_id` finds it in the server's log."""

    title: str
    message: str
    way_out: str
    request_id: str = ""


def trouble_of(error: APIError) -> Trouble:
    """What an error of the API means to a person."""
    if isinstance(error, APIConnectionError):
        return Trouble(
            title=strings.UNREACHABLE_TITLE,
            message=strings.UNREACHABLE_MESSAGE,
            way_out=strings.UNREACHABLE_WAY_OUT,
        )
    title, way_out = _words(error)
    return Trouble(title=title, message=_message(error), way_out=way_out, request_id=_request_id(error))


def _words(error: APIError) -> tuple[str, str]:
    if error.code is not None and error.code in strings.TROUBLES:
        return strings.TROUBLES[error.code]
    status = error.status_code if isinstance(error, APIStatusError) else 0
    return strings.TROUBLES_BY_STATUS.get(status, strings.TROUBLE_OTHERWISE)


def _message(error: APIError) -> str:
    body: Any = error.body
    if isinstance(body, dict) and body.get("message"):
        return str(body["message"])
    return error.message


def _request_id(error: APIError) -> str:
    return (error.request_id or "") if isinstance(error, APIStatusError) else ""
