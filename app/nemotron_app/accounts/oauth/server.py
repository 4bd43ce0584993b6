"""Who gets a key, and of which kind? Authlib's authorization server, on our store.

Authlib's core is synchronous: it runs in a worker thread and comes back to the event loop for the store.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from anyio import from_thread, to_thread
from authlib.oauth2.rfc6749 import AuthorizationServer, InvalidRequestError, OAuth2Request
from authlib.oauth2.rfc8628 import DEVICE_CODE_GRANT_TYPE

from nemotron_app.accounts.credential import Credential, credential_of
from nemotron_app.accounts.key_ring import KeyRing
from nemotron_app.accounts.key_text import is_well_formed
from nemotron_app.accounts.oauth.client import BUILT_IN, PAGE_GRANT, SERVICE_GRANT, Client, client_of
from nemotron_app.accounts.oauth.endpoints import Introspection, Revocation
from nemotron_app.accounts.oauth.grants import DeviceAuthorization, DeviceGrant, ServiceGrant
from nemotron_app.accounts.oauth.issue import KeyGenerator, Order, key_of
from nemotron_app.accounts.oauth.request import FormRequest
from nemotron_app.accounts.scopes import SCOPES
from nemotron_app.accounts.secret import Secret
from nemotron_app.accounts.store.clients import Services
from nemotron_app.accounts.store.device_codes import DeviceCodes
from nemotron_app.accounts.store.keys import Key
from nemotron_app.accounts.store.moment import Clock
from nemotron_app.accounts.store.people import People

MOST_KEYS = 100
_LIFETIMES = {SERVICE_GRANT: timedelta(hours=1), DEVICE_CODE_GRANT_TYPE: timedelta(days=90)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What Authlib answers, before it becomes a response."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyServerParts:
    """What the authorization server stands on."""

    ring: KeyRing
    services: Services
    codes: DeviceCodes
    people: People
    secret: Secret
    clock: Clock


class KeyServer(AuthorizationServer):
    """Issues API keys."""

    def __init__(self, parts: KeyServerParts) -> None:
        super().__init__(scopes_supported=list(SCOPES))
        self.ring = parts.ring
        self.codes = parts.codes
        self.people = parts.people
        self.clock = parts.clock
        self._services = parts.services
        self._secret = parts.secret
        self.register_token_generator("default", KeyGenerator(_LIFETIMES))
        self.register_grant(ServiceGrant)
        self.register_grant(DeviceGrant)
        self.register_endpoint(Revocation)
        self.register_endpoint(Introspection)

    async def token(self, request: FormRequest) -> Reply:
        """The token endpoint."""
        return await to_thread.run_sync(self.create_token_response, request)

    async def device_authorization(self, request: FormRequest, base: str) -> Reply:
        """The endpoint where devices get their codes; `base` is where browsers find the server."""
        endpoint = DeviceAuthorization(self, base)
        return self.handle_response(*await to_thread.run_sync(endpoint, request))

    async def endpoint(self, name: str, request: FormRequest) -> Reply:
        """The endpoint for revocation or introspection."""
        return await to_thread.run_sync(self.create_endpoint_response, name, request)

    async def issue(self, order: Order) -> tuple[str, Key]:
        """A key for someone who has shown elsewhere that they may have it. Raises OAuth2Error."""
        text, key = self.prepare(order)
        await self._check_room(order.owner)
        await self.ring.add(key)
        return text, key

    def prepare(self, order: Order) -> tuple[str, Key]:
        """A key that is not in the store yet. Raises OAuth2Error."""
        scope = " ".join(order.scopes)
        self.validate_requested_scope(scope)
        seconds = None if order.lifetime is None else int(order.lifetime.total_seconds())
        token = self.generate_token(PAGE_GRANT, order.client, None, scope, seconds, False)
        return token["access_token"], self._key(token, order)

    async def find(self, text: str) -> Credential | None:
        """The key that `text` is, asked of the store itself; for endpoints, whose client has been checked."""
        if not is_well_formed(text):
            return None
        key = await self.ring.look_up(self.ring.digest(text))
        return None if key is None else credential_of(key, self.clock)

    def digest(self, kind: str, text: str) -> str:
        return self._secret.digest(kind, text)

    def query_client(self, client_id: str) -> Client | None:
        if client_id in BUILT_IN:
            return BUILT_IN[client_id]
        service = from_thread.run(self._services.find, client_id)
        return None if service is None else client_of(service, self._client_digest)

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        client: Client = request.client
        owner, tier = client.owner, client.tier
        if request.user is not None:
            owner, tier = request.user.id, request.user.tier
        order = Order(client=client, owner=owner, tier=tier, name=client.name)
        from_thread.run(self._check_room, owner)
        from_thread.run(self.ring.add, self._key(token, order))

    def create_oauth2_request(self, request: OAuth2Request) -> OAuth2Request:
        return request

    def handle_response(self, status: int, body: dict[str, Any], headers: list[tuple[str, str]]) -> Reply:
        named = {name.lower(): value for name, value in headers}
        return Reply(status=status, body=body, headers=named)

    def send_signal(self, name: str, *arguments: Any, **named: Any) -> None:
        pass

    async def _check_room(self, owner: str) -> None:
        if await self.ring.num_active(owner) >= MOST_KEYS:
            raise InvalidRequestError(f"There are {MOST_KEYS} active keys; revoke one first.")

    def _key(self, token: dict[str, Any], order: Order) -> Key:
        return key_of(token, order, self.ring.digest(token["access_token"]), self.clock())

    def _client_digest(self, text: str) -> str:
        return self.digest("client", text)
