"""What may a client ask about a key, and how does it give one back?"""

from typing import TYPE_CHECKING, Any

from anyio import from_thread
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from nemotron_app.accounts.credential import Credential
from nemotron_app.accounts.oauth.client import Client

if TYPE_CHECKING:
    from nemotron_app.accounts.oauth.server import KeyServer


class Revocation(RevocationEndpoint):
    """Ends a key of the client's own (RFC 7009)."""

    CLIENT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")
    server: "KeyServer"

    def query_token(self, token_string: str, token_type_hint: str | None) -> Credential | None:
        return from_thread.run(self.server.find, token_string)

    def revoke_token(self, token: Credential, request: Any) -> None:
        from_thread.run(self.server.ring.revoke, token.principal.id, token.principal.key_id)


class Introspection(IntrospectionEndpoint):
    """Says what a key is good for (RFC 7662), to the client it was made for and to those who may ask."""

    CLIENT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")
    server: "KeyServer"

    def query_token(self, token_string: str, token_type_hint: str | None) -> Credential | None:
        return from_thread.run(self.server.find, token_string)

    def check_permission(self, token: Credential, client: Client, request: Any) -> bool:
        return client.may_introspect or token.check_client(client)

    def introspect_token(self, token: Credential) -> dict[str, Any]:
        payload = {
            "active": True,
            "client_id": token.client_id,
            "token_type": "Bearer",
            "scope": token.get_scope(),
            "sub": token.principal.id,
            "iat": int(token.issued.timestamp()),
        }
        expires = {} if token.expires is None else {"exp": int(token.expires.timestamp())}
        return payload | expires
