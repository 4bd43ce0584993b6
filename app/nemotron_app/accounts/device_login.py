"""How does a command line get a key? By the device flow (RFC 8628): its person agrees in a browser."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
from authlib.oauth2.rfc8628 import DEVICE_CODE_GRANT_TYPE

from nemotron_app.accounts.oauth.client import COMMAND_LINE_CLIENT

_TIMEOUT_SECONDS = 30.0
_SLOW_DOWN_SECONDS = 5


class LoginFailed(Exception):
    """No key was had; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What to tell the person: open the address, compare the code, agree."""

    url: str
    code: str
    seconds: int


def log_in(
    server: str,
    tell: Callable[[Invitation], None],
    *,
    scope: str = "",
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """An API key of whoever agrees at `server`. Raises LoginFailed."""
    with httpx2.Client(base_url=server.rstrip("/"), timeout=_TIMEOUT_SECONDS) as http:
        asked = {"client_id": COMMAND_LINE_CLIENT} | ({"scope": scope} if scope else {})
        started = _post(http, "/oauth/device_authorization", asked)
        if "device_code" not in started:
            raise LoginFailed(_reason(started))
        url = started["verification_uri_complete"]
        tell(Invitation(url=url, code=started["user_code"], seconds=started["expires_in"]))
        return _wait(http, started, sleep)


def _wait(http: httpx2.Client, started: dict[str, Any], sleep: Callable[[float], None]) -> str:
    interval = started.get("interval", _SLOW_DOWN_SECONDS)
    asked = {
        "grant_type": DEVICE_CODE_GRANT_TYPE,
        "device_code": started["device_code"],
        "client_id": COMMAND_LINE_CLIENT,
    }
    while True:
        sleep(interval)
        answer = _post(http, "/oauth/token", asked)
        if "access_token" in answer:
            return str(answer["access_token"])
        if answer.get("error") == "slow_down":
            interval += _SLOW_DOWN_SECONDS
        elif answer.get("error") != "authorization_pending":
            raise LoginFailed(_reason(answer))


def _post(http: httpx2.Client, path: str, form: dict[str, str]) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = http.post(path, data=form).json()
    except httpx2.HTTPError as error:
        raise LoginFailed(f"The server cannot be reached: {type(error).__name__}.") from error
    except ValueError as error:
        raise LoginFailed("The server does not answer as a Nemotron Playground does.") from error
    return answer


def _reason(answer: dict[str, Any]) -> str:
    reasons = {
        "access_denied": "The request was denied in the browser.",
        "expired_token": "The code expired before anyone agreed.",
    }
    error = answer.get("error")
    known = reasons.get(error) if isinstance(error, str) else None
    return known or f"The server refused: {answer.get('error_description') or error}."
