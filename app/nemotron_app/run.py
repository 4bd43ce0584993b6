"""What happens between `serve` and the last answer?"""

import logging
import sys
from dataclasses import replace
from socket import gaierror

from fastapi import FastAPI

from nemotron_app import __version__
from nemotron_app.accounts import Accounts, Misconfigured
from nemotron_app.accounts.redaction import RedactKeys
from nemotron_app.engines import catalog_for, open_engine
from nemotron_app.late_page import LatePage
from nemotron_app.main import Parts, create_app, with_membership
from nemotron_app.membership import create_membership
from nemotron_app.plain import Plain
from nemotron_app.serve import Server, Stopping, bind, loopback_url
from nemotron_app.settings import Settings


def run(settings: Settings) -> int:
    """Serve until told to stop; 0 if all went well."""
    _set_up_log()
    try:
        sock = bind(settings.host, settings.port)
    except OSError as error:
        name = "host" if isinstance(error, gaierror) else "port"
        return _refuse(f"{name}: cannot listen on {settings.host}:{settings.port}: {error.strerror}")
    url = loopback_url(sock)
    try:
        parts = _parts(settings, url)
    except Misconfigured as error:
        return _refuse(str(error))
    stopping = Stopping(drain=parts.drain, seconds=settings.drain_seconds)
    app = Plain(create_app(parts))
    server = Server(app, stopping, lambda: print(f"Nemotron Playground is at {url}", flush=True))
    try:
        server.run([sock])
    except SystemExit:  # how uvicorn ends a start that failed
        if not app.reason:
            raise
    return _refuse(app.reason) if app.reason else 0


def _parts(settings: Settings, url: str) -> Parts:
    """Everything wired. Raises Misconfigured."""
    parts = Parts(settings=settings, catalog=catalog_for(settings), open_engine=open_engine)
    membership = create_membership(settings, parts.catalog, parts.telemetry.limits)
    page = LatePage(lambda: _build_page(url, membership.accounts)) if settings.page else None
    return replace(with_membership(parts, membership), page=page)


def _set_up_log() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(RedactKeys())
    # The last one would tell of every request to another server, which is logged here by itself.
    for name in ("uvicorn.error", "alembic.runtime", "httpx2"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _refuse(message: str) -> int:
    print(f"nemotron-playground: {message}", file=sys.stderr)
    return 2


def _build_page(url: str, accounts: Accounts) -> FastAPI:
    from nemotron_app.page_identity import identify_by
    from nemotron_app.ui.mount import mount_page
    from nemotron_app.ui.site import Site

    app = FastAPI(openapi_url=None)
    mount_page(app, Site(api_url=url, version=__version__, identify=identify_by(accounts)))
    return app
