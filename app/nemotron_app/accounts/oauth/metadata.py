"""How does a client find its way around here? By RFC 8414."""

from typing import Any

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oauth2.rfc8628 import DEVICE_CODE_GRANT_TYPE

from nemotron_app.accounts.oauth.client import SERVICE_GRANT
from nemotron_app.accounts.scopes import SCOPES

_SECRET_METHODS = ["client_secret_basic", "client_secret_post"]


def metadata_at(base: str) -> dict[str, Any]:
    """The metadata of a server that browsers find at `base`."""
    metadata = AuthorizationServerMetadata(
        issuer=base,
        token_endpoint=f"{base}/oauth/token",
        device_authorization_endpoint=f"{base}/oauth/device_authorization",
        revocation_endpoint=f"{base}/oauth/revoke",
        introspection_endpoint=f"{base}/oauth/introspect",
        jwks_uri=f"{base}/oauth/jwks",
        scopes_supported=list(SCOPES),
        response_types_supported=[],
        grant_types_supported=[SERVICE_GRANT, DEVICE_CODE_GRANT_TYPE],
        token_endpoint_auth_methods_supported=[*_SECRET_METHODS, "none"],
        revocation_endpoint_auth_methods_supported=[*_SECRET_METHODS, "none"],
        introspection_endpoint_auth_methods_supported=_SECRET_METHODS,
    )
    return dict(metadata)
