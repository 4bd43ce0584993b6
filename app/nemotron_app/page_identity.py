"""In whose name does the page call the API?"""

from starlette.requests import HTTPConnection

from nemotron_app.accounts import Accounts
from nemotron_app.accounts.errors import StoreUnavailable, translated
from nemotron_app.ui.site import Identify, SignedOut, Unidentifiable


def identify_by(accounts: Accounts) -> Identify:
    """A fresh five-minute token for whoever sent a request of the page, told by its cookies."""

    async def identify(connection: HTTPConnection) -> str:
        try:
            with translated():
                token = await accounts.page_token(connection)
        except StoreUnavailable as error:
            raise Unidentifiable(str(error)) from error
        if token is None:
            raise SignedOut
        return token.text

    return identify
