"""Who signed in, by OpenID Connect?

Authlib's client does the protocol. What it leaves to its caller is checked here: that discovery speaks for
the issuer that was configured, that ID tokens are signed asymmetrically and made for us (Authlib looks at
`azp` alone), that there is one at all, and that the answer comes from the provider that was asked
(RFC 9207).
"""

from typing import Any

from authlib.integrations.starlette_client import StarletteIntegration, StarletteOAuth2App
from starlette.requests import Request

from nemotron_app.accounts.errors import SignInRefused
from nemotron_app.accounts.options import OpenIdProvider
from nemotron_app.accounts.store.people import Identity

_ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
)
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_LEEWAY_SECONDS = 30
TIMEOUT_SECONDS = 10


class OpenIdClient(StarletteOAuth2App):
    """A client of one provider."""

    def __init__(self, provider: OpenIdProvider) -> None:
        self.provider = provider
        super().__init__(
            StarletteIntegration(provider.name),
            provider.name,
            client_id=provider.client_id,
            client_secret=provider.client_secret,
            server_metadata_url=f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": provider.scope,
                "code_challenge_method": "S256",
                "timeout": TIMEOUT_SECONDS,
                "leeway": 0,  # so that a token of a minute can be used at all
            },
        )

    async def load_server_metadata(self) -> dict[str, Any]:
        """The discovery document, once it is known to be the configured issuer's."""
        metadata: dict[str, Any] = await super().load_server_metadata()
        if metadata.get("issuer") != self.provider.issuer:
            raise SignInRefused(f"{self.provider.title} says that it is someone else.", code="wrong_issuer")
        if not all(metadata.get(name) for name in _ENDPOINTS):
            raise SignInRefused(
                f"{self.provider.title} does not say where it signs in.", code="bad_discovery"
            )
        offered = metadata.get("id_token_signing_alg_values_supported", [])
        metadata["id_token_signing_alg_values_supported"] = [name for name in offered if name in _ALGORITHMS]
        return metadata

    async def identify(self, request: Request) -> tuple[Identity, str]:
        """The person that a callback is about, and the ID token that says so."""
        await self._check_sender(request)
        claims = {
            "iss": {"essential": True, "value": self.provider.issuer},
            "aud": {"essential": True, "value": self.provider.client_id},
        }
        token = await self.authorize_access_token(request, claims_options=claims, leeway=_LEEWAY_SECONDS)
        if "userinfo" not in token:
            raise SignInRefused(f"{self.provider.title} sent no ID token.", code="no_id_token")
        return await self._identity(token), token["id_token"]

    async def _identity(self, token: dict[str, Any]) -> Identity:
        claims = token["userinfo"]
        if not claims.get("name") and "userinfo_endpoint" in self.server_metadata:
            more = await self.userinfo(token=token)
            # OpenID Connect Core, section 5.3.2: who the ID token is about must be who is described.
            claims = {**more, **claims} if more.get("sub") == claims["sub"] else claims
        email = claims.get("email") if claims.get("email_verified", True) else None
        name = claims.get("name") or claims.get("preferred_username") or email or claims["sub"]
        return Identity(
            provider=self.provider.issuer,
            subject=str(claims["sub"]),
            name=str(name)[:255],
            email=str(email)[:255] if email else None,
        )

    async def _check_sender(self, request: Request) -> None:
        metadata = await self.load_server_metadata()
        sender = request.query_params.get("iss")
        must_say = metadata.get("authorization_response_iss_parameter_supported", False)
        if sender != metadata["issuer"] and (sender is not None or must_say):
            raise SignInRefused("The answer comes from another provider.", code="wrong_issuer")
