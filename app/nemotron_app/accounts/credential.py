"""What does Authlib see of a bearer token, whether API key or session token?"""

from dataclasses import dataclass
from datetime import datetime

from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin

from nemotron_app.accounts.principal import Principal
from nemotron_app.accounts.store.keys import Key
from nemotron_app.accounts.store.moment import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential(TokenMixin):
    """A token that was found, good or not; `clock` says whether it still is."""

    principal: Principal
    client_id: str
    issued: datetime
    expires: datetime | None
    was_revoked: bool
    clock: Clock

    def check_client(self, client: ClientMixin) -> bool:
        return bool(client.get_client_id() == self.client_id)

    def get_scope(self) -> str:
        return " ".join(self.principal.scopes)

    def get_expires_in(self) -> int:
        return 0 if self.expires is None else int((self.expires - self.issued).total_seconds())

    def is_expired(self) -> bool:
        return self.expires is not None and self.clock() >= self.expires

    def is_revoked(self) -> bool:
        return self.was_revoked


def credential_of(key: Key, clock: Clock) -> Credential:
    """A key as a credential."""
    principal = Principal(
        id=key.owner,
        is_anonymous=False,
        tier=key.tier,
        scopes=key.scopes,
        models=key.models,
        key_id=key.id,
    )
    return Credential(
        principal=principal,
        client_id=key.client_id,
        issued=key.created,
        expires=key.expires,
        was_revoked=key.revoked is not None,
        clock=clock,
    )
