"""What happens between `serve` and the last answer?"""

import logging
import sys
from socket import gaierror

from fastapi import FastAPI

from nemotron_app import __version__
from nemotron_app.engines import open_engine
from nemotron_app.late_page import LatePage
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
    page = LatePage(lambda: _build_page(url)) if settings.page else None
    parts = Parts(settings=settings, catalog=Catalog.read(), open_engine=open_engine, page=page)
    stopping = Stopping(drain=parts.drain, seconds=settings.drain_seconds)
    Server(create_app(parts), stopping, lambda: print(f"Nemotron Playground is at {url}", flush=True)).run(
        [sock]
    )
    return 0


def _build_page(url: str) -> FastAPI:
    from nemotron_app.ui.mount import mount_page
    from nemotron_app.ui.site import Site

    app = FastAPI(openapi_url=None)
    mount_page(app, Site(api_url=url, version=__version__))
    return app
