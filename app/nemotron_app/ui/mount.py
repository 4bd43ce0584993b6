"""How does a server put the page up?"""

import logging

import gradio as gr
from fastapi import FastAPI

from nemotron_app.ui.assets import STATIC_PATH, StaticFolder, head, static_folder
from nemotron_app.ui.page import build_page
from nemotron_app.ui.site import Site
from nemotron_app.ui.theme import PlaygroundTheme


def mount_page(app: FastAPI, site: Site) -> None:
    """Serve the page at `/` and its files beside it; call it after the API's own routes are in."""
    # Every call of the page stands in the server's own log already.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    folder = static_folder()
    app.mount(STATIC_PATH, StaticFolder(directory=folder), name="page")
    gr.mount_gradio_app(
        app,
        build_page(site),
        path="/",
        footer_links=[],
        run_history=False,
        favicon_path=str(folder / "favicon.svg"),
        show_error=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        theme=PlaygroundTheme(),
        head=head(site.version),
    )
