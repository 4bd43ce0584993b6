"""Did one of our own pages send this request?"""

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from nemotron_app.accounts.address import is_loopback
from nemotron_app.accounts.options import AccountsOptions

_OWN_SITES = ("same-origin", "none")


class SameOrigin:
    """Tells our own pages from foreign ones, by what browsers say of themselves.

    In single-user mode the Host must be a name of this machine as well: a foreign name that resolves to it
    (DNS rebinding) would otherwise make a foreign page look like our own.
    """

    def __init__(self, options: AccountsOptions) -> None:
        self._public = urlsplit(options.public_url).netloc.lower() if options.public_url else None
        self._must_be_loopback = options.is_single_user and not options.may_be_single_user_anywhere

    def holds(self, connection: HTTPConnection) -> bool:
        """Whether no foreign page sent it; a client that is no browser passes."""
        host = connection.headers.get("host", "").lower()
        if self._must_be_loopback and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            return False
        if connection.headers.get("sec-fetch-site", "none") not in _OWN_SITES:
            return False
        origin = connection.headers.get("origin")
        return origin is None or urlsplit(origin).netloc.lower() == (self._public or host)
