"""What happens between `serve` and the last answer?"""

import logging
import sys
from socket import gaierror

from fastapi import FastAPI

from nemotron_app import __version__
from nemotron_app.engines import open_engine
from nemotron_app.main import Parts, create_app
from nemotron_app.serve import Server, Stopping, bind, loopback_url
from nemotron_app.settings import Settings
from nemotron_backend.catalog import Catalog


def run(settings: Settings) -> int:
    """Serve until told to stop; 0 if all went well."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    try:
        sock = bind(settings.host, settings.port)
    except OSError as error:
        name = "host" if isinstance(error, gaierror) else "port"
        message = f"{name}: cannot listen on {settings.host}:{settings.port}: {error.strerror}"
        print(f"nemotron-playground: {message}", file=sys.stderr)
        return 2
    url = loopback_url(sock)
    parts = Parts(settings=settings, catalog=Catalog.read(), open_engine=open_engine)
    app = create_app(parts)
    if settings.page:
        _mount_page(app, url)
    stopping = Stopping(drain=parts.drain, seconds=settings.drain_seconds)
    Server(app, stopping, lambda: print(f"Nemotron Playground is at {url}", flush=True)).run([sock])
    return 0


def _mount_page(app: FastAPI, url: str) -> None:
    from nemotron_app.ui.mount import mount_page
    from nemotron_app.ui.site import Site

    mount_page(app, Site(api_url=url, version=__version__))
