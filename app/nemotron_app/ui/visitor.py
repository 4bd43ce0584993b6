"""Which request of a browser set a handler off?"""

import gradio as gr
from starlette.requests import HTTPConnection


def session_of(request: gr.Request) -> str:
    """The browser tab that it came from."""
    return request.session_hash or ""


def connection_of(request: gr.Request) -> HTTPConnection:
    """The request itself, with its cookies and its address."""
    assert request.request is not None
    return HTTPConnection(request.request.scope)
