"""How does whoever runs the server let a program have keys of its own?"""

import asyncio
import sys
from collections.abc import Sequence

from nemotron_app.account_settings import accounts_for, start
from nemotron_app.accounts import Accounts, Misconfigured
from nemotron_app.accounts.scopes import SCOPES
from nemotron_app.budget import Budgets
from nemotron_app.settings import Settings


def add_service(settings: Settings, name: str, *, tier: str, scope: str) -> int:
    """Add it to the server's database and print its credentials, the only time that they can be seen."""
    scopes = scope.split() or list(SCOPES)
    if unknown := sorted(set(scopes) - set(SCOPES)):
        return _refuse(f"scope: there is no {unknown[0]!r}; there are {', '.join(SCOPES)}")
    if tier not in (tiers := Budgets(settings.tiers).tiers):
        return _refuse(f"tier: there is no {tier!r}; there are {', '.join(tiers)}")
    try:
        accounts = accounts_for(settings)
        client_id, secret = asyncio.run(_add(accounts, name, scopes, tier))
    except Misconfigured as error:
        return _refuse(str(error))
    print(f"client_id={client_id}\nclient_secret={secret}")
    return 0


async def _add(accounts: Accounts, name: str, scopes: Sequence[str], tier: str) -> tuple[str, str]:
    try:
        await start(accounts)
        return await accounts.add_service(name, scopes=scopes, tier=tier)
    finally:
        await accounts.aclose()


def _refuse(message: str) -> int:
    print(f"nemotron-playground: {message}", file=sys.stderr)
    return 2
