"""How does a request reach Authlib, whose core knows no framework?"""

import base64
import binascii
from collections.abc import Mapping

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError, OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from starlette.datastructures import UploadFile
from starlette.requests import Request

_FORM = "application/x-www-form-urlencoded"


class FormRequest(OAuth2Request):
    """A form that was read before Authlib asks for it."""

    def __init__(self, uri: str, headers: Mapping[str, str], form: dict[str, str]) -> None:
        super().__init__("POST", uri, headers=headers)
        self.payload = BasicOAuth2Payload(form)
        self._form = form

    @property
    def form(self) -> dict[str, str]:
        return self._form


async def read_request(request: Request, uri: str) -> FormRequest:
    """The form of a request. Raises OAuth2Error."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _FORM:
        raise InvalidRequestError(f"Send the parameters as {_FORM}.")
    _check_basic(request.headers.get("authorization", ""))
    form: dict[str, str] = {}
    for name, value in (await request.form(max_fields=50)).multi_items():
        # RFC 6749, section 3.2: parameters must not be included more than once.
        if name in form or isinstance(value, UploadFile):
            raise InvalidRequestError("A parameter stands there twice.")
        form[name] = value
    return FormRequest(uri, request.headers, form)


def _check_basic(header: str) -> None:
    """Authlib expects two words in the header, and UTF-8 in the second."""
    if not header:
        return
    kind, *rest = header.split(None, 1)
    try:
        (text,) = rest
        if kind.lower() == "basic":
            base64.b64decode(text).decode()
    except (ValueError, binascii.Error) as error:
        raise InvalidClientError(status_code=401, description="The credentials are malformed.") from error
