"""Under which address do browsers find the server?"""

from starlette.requests import Request

from nemotron_app.accounts.address import Origins
from nemotron_app.accounts.options import AccountsOptions


class PublicUrl:
    """The configured address, or where none is, what the request itself was sent to."""

    def __init__(self, options: AccountsOptions, origins: Origins) -> None:
        self._configured = options.public_url.rstrip("/") if options.public_url else None
        self._origins = origins

    def base(self, request: Request) -> str:
        """Scheme and host, without a slash at the end."""
        if self._configured:
            return self._configured
        scheme = "https" if self._origins.is_secure(request) else "http"
        return f"{scheme}://{request.url.netloc}"
