"""How do the few pages look that must work before anyone is signed in?"""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

_SAFETY = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    # With "no-referrer" browsers would send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Pages:
    """Fills in the templates of this folder."""

    def __init__(self) -> None:
        loader = FileSystemLoader(Path(__file__).parent)
        self._templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)

    def show(self, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        """The page `name`; no other site can frame it, and no script runs in it."""
        text = self._templates.get_template(f"{name}.html").render(values)
        return HTMLResponse(text, status, _SAFETY)
