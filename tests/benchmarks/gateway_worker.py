"""A server that echoes, in a process of its own: with accounts and limits, or with neither.

`gateway_worker.py open SETTINGS` or `gateway_worker.py members SETTINGS`, with the settings as JSON.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime

from nemotron_app.account_settings import accounts_for
from nemotron_app.accounts import key_text
from nemotron_app.accounts.scopes import SCOPES
from nemotron_app.accounts.store.keys import Key
from nemotron_app.main import Parts, create_app, with_membership
from nemotron_app.membership import create_membership
from nemotron_app.serve import Server, Stopping, bind, loopback_url
from nemotron_app.settings import Settings, read_settings
from nemotron_backend.catalog import Catalog
from nemotron_backend.echo import EchoEngine
from nemotron_backend.engine import Engine


async def _echo(settings: Settings) -> Engine:
    return EchoEngine()


async def _new_key(settings: Settings) -> str:
    """A key of a caller whom no limit will meet during a measurement."""
    text, accounts = key_text.mint(), accounts_for(settings)
    key = Key(
        id="key_benchmark",
        digest=accounts.ring.digest(text),
        head=text[:8],
        tail=text[-4:],
        name="benchmark",
        owner="user_benchmark",
        tier="local",
        client_id="benchmark",
        scopes=tuple(SCOPES),
        models=(),
        created=datetime.now(UTC),
    )
    await accounts.start()
    await accounts.ring.add(key)
    await accounts.aclose()
    return text


def _serve(mode: str, given: dict[str, object]) -> None:
    settings = read_settings({"page": False, **given}, None)
    parts = Parts(settings=settings, catalog=Catalog.read(), open_engine=_echo)
    key = ""
    if mode == "members":
        key = asyncio.run(_new_key(settings))
        membership = create_membership(settings, parts.catalog, parts.telemetry.limits)
        parts = with_membership(parts, membership)
    sock = bind("127.0.0.1", 0)
    stopping = Stopping(drain=parts.drain, seconds=1)
    Server(create_app(parts), stopping, lambda: print(loopback_url(sock), key, flush=True)).run([sock])


if __name__ == "__main__":
    _serve(sys.argv[1], json.loads(sys.argv[2]))
