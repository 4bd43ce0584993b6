"""Who is a visitor that has not signed in?"""

import hashlib
from ipaddress import IPv4Address, IPv6Address

from itsdangerous import BadSignature, Signer

from nemotron_app.accounts.address import prefix_of
from nemotron_app.accounts.identifier import new_secret
from nemotron_app.accounts.principal import Principal
from nemotron_app.accounts.scopes import SCOPES
from nemotron_app.accounts.secret import Secret


class Guests:
    """Knows a browser again by a signed cookie, and its neighbours by their address; keeps nothing."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._signer = Signer(secret.derive("guest cookie"), digest_method=hashlib.sha256)

    def cookie(self) -> str:
        """A cookie for a new browser."""
        return self._signer.sign(new_secret()).decode()

    def is_ours(self, cookie: str) -> bool:
        try:
            self._signer.unsign(cookie)
        except BadSignature:
            return False
        return True

    def principal(self, cookie: str, address: IPv4Address | IPv6Address) -> Principal:
        """The guest with this cookie at this address."""
        return Principal(
            id=f"guest_{self._secret.digest('guest', cookie)[:20]}",
            is_anonymous=True,
            tier="guest",
            scopes=tuple(SCOPES),
            network=f"network_{self._secret.digest('network', prefix_of(address))[:20]}",
        )
