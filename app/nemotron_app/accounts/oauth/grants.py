"""By which ways is a key had without the Keys page?"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from anyio import from_thread
from authlib.oauth2.rfc6749 import ClientCredentialsGrant, InvalidGrantError
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant, DeviceCredentialMixin

from nemotron_app.accounts.store.device_codes import DeviceCode
from nemotron_app.accounts.store.moment import Clock
from nemotron_app.accounts.store.people import User

if TYPE_CHECKING:
    from nemotron_app.accounts.oauth.server import KeyServer

_INTERVAL = 5
_EXPIRES_IN = 600


class ServiceGrant(ClientCredentialsGrant):
    """A service shows its secret."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")


class DeviceCredential(DeviceCredentialMixin):
    """A stored device code as Authlib sees it; it is known by its digest alone."""

    def __init__(self, code: DeviceCode, clock: Clock) -> None:
        self.code = code
        self._clock = clock

    def get_client_id(self) -> str:
        return self.code.client_id

    def get_scope(self) -> str:
        return self.code.scope

    def get_user_code(self) -> str:
        return self.code.digest

    def is_expired(self) -> bool:
        return self._clock() >= self.code.expires


class DeviceGrant(DeviceCodeGrant):
    """A command line waits until its person has agreed in a browser."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("none",)
    server: "KeyServer"

    def query_device_credential(self, device_code: str) -> DeviceCredential | None:
        code = from_thread.run(self.server.codes.find, self.server.digest("device", device_code))
        return None if code is None else DeviceCredential(code, self.server.clock)

    def query_user_grant(self, user_code: str) -> tuple[User, bool] | None:
        code = from_thread.run(self.server.codes.find, user_code)
        if code is None or code.user_id is None:
            return None
        user = from_thread.run(self.server.people.find, code.user_id)
        return None if user is None else (user, bool(code.is_approved))

    def should_slow_down(self, credential: Any) -> bool:
        interval = timedelta(seconds=_INTERVAL)
        return from_thread.run(self.server.codes.polled, credential.code.digest, interval)

    def create_token_response(self) -> Any:
        """One code gives one key, also to two who ask at once."""
        if not from_thread.run(self.server.codes.consume, self.request.credential.code.digest):
            raise InvalidGrantError("The device code was used before.")
        return super().create_token_response()


class DeviceAuthorization(DeviceAuthorizationEndpoint):
    """Where a command line gets its codes; one for each request, because each may come by another address."""

    CLIENT_AUTH_METHODS = ("none",)
    EXPIRES_IN = _EXPIRES_IN
    INTERVAL = _INTERVAL
    server: "KeyServer"

    def __init__(self, server: "KeyServer", base: str) -> None:
        super().__init__(server)
        self._base = base

    def get_verification_uri(self) -> str:
        return f"{self._base}/device"

    def save_device_credential(self, client_id: str, scope: str | None, data: dict[str, Any]) -> None:
        code = DeviceCode(
            digest=self.server.digest("device", data["device_code"]),
            user_code_digest=self.server.digest("user code", data["user_code"]),
            client_id=client_id,
            scope=" ".join(sorted(set((scope or "").split()))),
            expires=self.server.clock() + timedelta(seconds=_EXPIRES_IN),
        )
        from_thread.run(self.server.codes.add, code)
