"""Can a client choose where it seems to come from?"""

from ipaddress import ip_address
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from nemotron_app.accounts.address import Origins, is_loopback, prefix_of

_PROXIES = ("10.0.0.0/8", "2001:db8:f::/48")


def _connection(peer: str | None, *forwarded: str, **headers: str) -> HTTPConnection:
    lines = [(b"x-forwarded-for", text.encode()) for text in forwarded]
    lines += [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    client: Any = None if peer is None else (peer, 1234)
    scope = {"type": "http", "scheme": "http", "path": "/", "query_string": b"", "headers": lines}
    return HTTPConnection(scope | {"client": client, "server": ("127.0.0.1", 80)})


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", (), "192.0.2.1"),
        ("192.0.2.1", ("198.51.100.7",), "192.0.2.1"),
        ("10.0.0.1", ("198.51.100.7",), "198.51.100.7"),
        ("10.0.0.1", ("203.0.113.9, 198.51.100.7",), "198.51.100.7"),
        ("10.0.0.1", ("203.0.113.9", "198.51.100.7"), "198.51.100.7"),
        ("10.0.0.1", ("203.0.113.9, 198.51.100.7, 10.0.0.2",), "198.51.100.7"),
        ("10.0.0.1", ("10.0.0.5, 198.51.100.7",), "198.51.100.7"),
        ("10.0.0.1", ("198.51.100.7, junk",), "0.0.0.0"),
        ("10.0.0.1", ("",), "0.0.0.0"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("::ffff:10.0.0.1", ("198.51.100.7",), "198.51.100.7"),
        ("2001:db8:f::1", ("2001:db8:1::2",), "2001:db8:1::2"),
        (None, ("198.51.100.7",), "0.0.0.0"),
    ],
)
def test_an_address_is_believed_from_trusted_proxies_alone(
    peer: str | None, forwarded: tuple[str, ...], expected: str
) -> None:
    assert str(Origins(_PROXIES).address(_connection(peer, *forwarded))) == expected


def test_without_proxies_nothing_forwarded_is_believed() -> None:
    connection = _connection("127.0.0.1", "198.51.100.7", x_forwarded_proto="https")
    assert str(Origins(()).address(connection)) == "127.0.0.1"
    assert not Origins(()).is_secure(connection)


def test_a_proxy_says_whether_the_browser_speaks_tls() -> None:
    origins = Origins(_PROXIES)
    assert origins.is_secure(_connection("10.0.0.1", x_forwarded_proto="https"))
    assert not origins.is_secure(_connection("10.0.0.1", x_forwarded_proto="https, http"))
    assert not origins.is_secure(_connection("192.0.2.1", x_forwarded_proto="https"))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:0:12ff::1", "2001:db8:0:1200::/56"),
    ],
)
def test_neighbours_share_a_prefix(address: str, expected: str) -> None:
    assert prefix_of(ip_address(address)) == expected


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "::ffff:127.0.0.1"])
def test_this_machine_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "localhost.example", "127.0.0.1.example"])
def test_anything_else_is_not_this_machine(host: str) -> None:
    assert not is_loopback(host)
