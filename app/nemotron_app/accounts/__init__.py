"""Users, their API keys, sign-in and the usage ledger: `create_accounts` is the way in."""

from nemotron_app.accounts.assemble import create_accounts
from nemotron_app.accounts.errors import Misconfigured
from nemotron_app.accounts.options import AccountsOptions, OAuthProvider, OpenIdProvider, github
from nemotron_app.accounts.principal import Principal
from nemotron_app.accounts.service import Accounts
from nemotron_app.accounts.store.ledger import Entry, Ledger, Spent
from nemotron_app.accounts.throttle import Throttle

__all__ = [
    "Accounts",
    "AccountsOptions",
    "Entry",
    "Ledger",
    "Misconfigured",
    "OAuthProvider",
    "OpenIdProvider",
    "Principal",
    "Spent",
    "Throttle",
    "create_accounts",
    "github",
]
