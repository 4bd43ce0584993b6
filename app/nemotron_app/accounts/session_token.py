"""How does the page call the API? With a token of five minutes (RFC 9068) for whoever looks at it."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from nemotron_app.accounts.credential import Credential
from nemotron_app.accounts.principal import Principal
from nemotron_app.accounts.secret import Secret
from nemotron_app.accounts.store.moment import Clock

AUDIENCE = "nemotron-playground/v1"
LIFETIME = timedelta(minutes=5)
PAGE_CLIENT = "nemotron-playground-page"
_ALGORITHM = "Ed25519"
_TYPES = ("at+jwt", "application/at+jwt")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionToken:
    """A token and when it ends."""

    text: str
    expires: datetime


class SessionTokens:
    """Makes and checks session tokens. The key comes from the server's secret, so all processes share it."""

    def __init__(self, secret: Secret, issuer: str, clock: Clock) -> None:
        private = Ed25519PrivateKey.from_private_bytes(secret.derive("session tokens"))
        self._key = OKPKey.import_key(private)
        self._key.ensure_kid()
        self._issuer = issuer
        self._clock = clock

    def mint(self, principal: Principal) -> SessionToken:
        """A token with the rights of `principal`."""
        now = self._clock()
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": principal.id,
            "client_id": PAGE_CLIENT,
            "iat": int(now.timestamp()),
            "exp": int((now + LIFETIME).timestamp()),
            "jti": secrets.token_hex(16),
            "scope": " ".join(principal.scopes),
            "tier": principal.tier,
            "guest": principal.is_anonymous,
            "network": principal.network,
        }
        header = {"alg": _ALGORITHM, "typ": _TYPES[0], "kid": self._key.kid}
        text = jwt.encode(header, claims, self._key, algorithms=[_ALGORITHM])
        return SessionToken(text=text, expires=now + LIFETIME)

    def read(self, text: str) -> Credential | None:
        """What a token of ours says; None for any other text."""
        try:
            # The algorithm is pinned, so the header's choice decides nothing.
            token = jwt.decode(text, self._key, algorithms=[_ALGORITHM])
            self._claims().validate(token.claims)
        except (JoseError, ValueError):
            return None
        if str(token.header.get("typ")).lower() not in _TYPES:
            return None
        return self._credential(token.claims)

    def public_keys(self) -> dict[str, Any]:
        """The JSON Web Key Set that others may check our tokens with."""
        return dict(KeySet([self._key]).as_dict(private=False))

    def _claims(self) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            now=int(self._clock().timestamp()),
            leeway=0,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": AUDIENCE},
            client_id={"essential": True, "value": PAGE_CLIENT},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        )

    def _credential(self, claims: dict[str, Any]) -> Credential:
        principal = Principal(
            id=claims["sub"],
            is_anonymous=claims["guest"],
            tier=claims["tier"],
            scopes=tuple(claims["scope"].split()),
            network=claims["network"],
        )
        return Credential(
            principal=principal,
            client_id=claims["client_id"],
            issued=datetime.fromtimestamp(claims["iat"], UTC),
            expires=datetime.fromtimestamp(claims["exp"], UTC),
            was_revoked=False,
            clock=self._clock,
        )
