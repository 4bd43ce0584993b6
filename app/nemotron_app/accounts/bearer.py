"""Which bearer token opens which route? Authlib's protector, with a look-up that may wait."""

from authlib.oauth2.rfc6749 import MissingAuthorizationError, OAuth2Error, ResourceProtector
from authlib.oauth2.rfc6750 import BearerTokenValidator, InsufficientScopeError
from starlette.requests import HTTPConnection

from nemotron_app.accounts.credential import Credential
from nemotron_app.accounts.errors import bad_credentials, insufficient_scope, no_credentials
from nemotron_app.accounts.key_ring import KeyRing
from nemotron_app.accounts.key_text import PREFIX
from nemotron_app.accounts.session_token import SessionTokens


class BearerTokens(BearerTokenValidator):
    """API keys and session tokens in one, because a protector keeps one validator for each token type."""

    def __init__(self, ring: KeyRing, tokens: SessionTokens) -> None:
        super().__init__()
        self._ring = ring
        self._tokens = tokens

    async def find(self, text: str, address: str) -> Credential | None:
        """What `text` stands for, told by its prefix."""
        if text.startswith(PREFIX):
            return await self._ring.find(text, address)
        return self._tokens.read(text)


class Protector(ResourceProtector):
    """Admits a request for its bearer token."""

    def __init__(self, tokens: BearerTokens) -> None:
        super().__init__()
        self.register_token_validator(tokens)
        self._tokens = tokens

    async def admit(self, connection: HTTPConnection, address: str, scope: str | None) -> Credential:
        """The credential of a request. Raises Unauthenticated, Forbidden and what the throttle raises."""
        if len(connection.headers.getlist("authorization")) > 1:
            raise bad_credentials()
        credential: Credential | None = None
        try:
            validator, text = self.parse_request_authorization(connection)
            credential = await self._tokens.find(text, address)
            validator.validate_token(credential, [] if scope is None else [scope], connection)
        except MissingAuthorizationError as error:
            raise no_credentials() from error
        except InsufficientScopeError as error:
            refusal = insufficient_scope(scope or "")
            refusal.caller = None if credential is None else credential.principal
            raise refusal from error
        except OAuth2Error as error:
            raise bad_credentials() from error
        assert credential is not None
        return credential
