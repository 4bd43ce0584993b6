"""Who calls the API?"""

from starlette.requests import HTTPConnection

from nemotron_app.accounts.address import Origins
from nemotron_app.accounts.bearer import Protector
from nemotron_app.accounts.browser.same_origin import SameOrigin
from nemotron_app.accounts.errors import translated
from nemotron_app.accounts.key_text import PREFIX
from nemotron_app.accounts.principal import LOCAL, Principal
from nemotron_app.accounts.scopes import scope_of
from nemotron_app.errors import BadRequest

_KEY_PARAMETERS = ("access_token", "api_key", "api-key", "apikey", "key")


class AccountsAuthenticator:
    """Knows callers by their bearer token; in single-user mode, this machine's own pages need none."""

    def __init__(
        self, protector: Protector, origins: Origins, same_origin: SameOrigin, *, is_single_user: bool
    ) -> None:
        self._protector = protector
        self._origins = origins
        self._same_origin = same_origin
        self._is_single_user = is_single_user

    async def authenticate(self, connection: HTTPConnection) -> Principal:
        """The caller, told from the head of a request. Raises GatewayError."""
        _refuse_key_in_query(connection)
        if self._is_local(connection):
            return LOCAL
        address = str(self._origins.address(connection))
        scope = scope_of(connection.url.path)
        with translated():
            credential = await self._protector.admit(connection, address, scope)
        return credential.principal

    def _is_local(self, connection: HTTPConnection) -> bool:
        # Many clients cannot send no key at all, so what is none of ours counts as none. And without a key,
        # only where no foreign page in the user's browser could have sent the request.
        has_key = any(PREFIX in value for value in connection.headers.getlist("authorization"))
        return self._is_single_user and not has_key and self._same_origin.holds(connection)


def _refuse_key_in_query(connection: HTTPConnection) -> None:
    query = connection.query_params
    if PREFIX in str(query) or any(name.lower() in _KEY_PARAMETERS for name in query):
        raise BadRequest(
            "Send the key in the Authorization header: addresses are kept in logs and histories.",
            code="key_in_query",
        )
