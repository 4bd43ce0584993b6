"""Where does a request come from?

`X-Forwarded-For` is read from its end, and only as far as trusted proxies wrote it: whatever a client puts
there itself stands further to the left.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.requests import HTTPConnection

Address = IPv4Address | IPv6Address

_NOWHERE = IPv4Address("0.0.0.0")
_PREFIX = {4: 24, 6: 56}


class Origins:
    """Tells addresses and schemes of requests, through proxies that it was told to trust."""

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        self._trusted = [ip_network(text) for text in trusted_proxies]

    def address(self, connection: HTTPConnection) -> Address:
        """The client's address."""
        address = _parse(connection.client.host if connection.client else "")
        for text in reversed(_forwarded(connection)):
            if not self._is_trusted(address):
                break
            address = _parse(text)
        return address

    def is_secure(self, connection: HTTPConnection) -> bool:
        """Whether the browser speaks TLS."""
        peer = _parse(connection.client.host if connection.client else "")
        forwarded = connection.headers.get("x-forwarded-proto")
        if forwarded is not None and self._is_trusted(peer):
            return forwarded.rpartition(",")[2].strip() == "https"
        return connection.url.scheme == "https"

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def prefix_of(address: Address) -> str:
    """The neighbourhood that one person can be assumed to hold: /24, or /56 of IPv6."""
    return str(ip_network((address, _PREFIX[address.version]), strict=False))


def is_loopback(host: str) -> bool:
    """Whether a host names this machine, and only this machine can reach it."""
    if host.lower() == "localhost":
        return True
    try:
        return _unmapped(ip_address(host.strip("[]"))).is_loopback
    except ValueError:
        return False


def _forwarded(connection: HTTPConnection) -> list[str]:
    return [part for line in connection.headers.getlist("x-forwarded-for") for part in line.split(",")]


def _parse(text: str) -> Address:
    try:
        return _unmapped(ip_address(text.strip()))
    except ValueError:
        return _NOWHERE


def _unmapped(address: Address) -> Address:
    """A v4 client on a v6 socket is still a v4 client."""
    return getattr(address, "ipv4_mapped", None) or address
