"""Who may ask the authorization server for a key?"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from authlib.oauth2.rfc6749 import ClientMixin, scope_to_list
from authlib.oauth2.rfc8628 import DEVICE_CODE_GRANT_TYPE

from nemotron_app.accounts.scopes import SCOPES
from nemotron_app.accounts.session_token import PAGE_CLIENT
from nemotron_app.accounts.store.clients import Service

PAGE_GRANT = "page"
SERVICE_GRANT = "client_credentials"
COMMAND_LINE_CLIENT = "nemotron-playground-cli"
_SECRET_METHODS = ("client_secret_basic", "client_secret_post")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client(ClientMixin):
    """A client as Authlib sees it. `knows` checks a secret; a public client has none."""

    id: str
    name: str
    grant: str
    scopes: tuple[str, ...] = tuple(SCOPES)
    owner: str = ""
    tier: str = ""
    may_introspect: bool = False
    knows: Callable[[str], bool] | None = None

    def get_client_id(self) -> str:
        return self.id

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """What was asked for, or all where nothing was; None if it may not have it."""
        asked = scope_to_list(scope) or list(self.scopes)
        is_allowed = set(asked) <= set(self.scopes)
        return " ".join(name for name in self.scopes if name in asked) if is_allowed else None

    def check_client_secret(self, client_secret: str) -> bool:
        return self.knows is not None and self.knows(client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "none" if self.knows is None else method in _SECRET_METHODS

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == self.grant


# What the program itself comes with. Both are public: whoever asks must be signed in as well.
PAGE = Client(id=PAGE_CLIENT, name="Keys page", grant=PAGE_GRANT)
COMMAND_LINE = Client(id=COMMAND_LINE_CLIENT, name="Command line", grant=DEVICE_CODE_GRANT_TYPE)
BUILT_IN = {client.id: client for client in (PAGE, COMMAND_LINE)}


def client_of(service: Service, digest: Callable[[str], str]) -> Client:
    """A service as a client."""
    return Client(
        id=service.id,
        name=service.name,
        grant=SERVICE_GRANT,
        scopes=service.scopes,
        owner=service.owner,
        tier=service.tier,
        may_introspect=service.may_introspect,
        knows=lambda secret: hmac.compare_digest(digest(secret), service.secret_digest),
    )
