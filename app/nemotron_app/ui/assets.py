"""Where are the page's static files?"""

from os import PathLike, stat_result
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

# Gradio keeps `/static` and `/assets` for files of its own.
STATIC_PATH = "/page"

# A later sheet may overrule an earlier one.
_STYLES = (
    "theme",
    "frame",
    "tabs",
    "playground",
    "conversation",
    "composer",
    "tokens",
    "compare",
    "panel",
    "code",
    "models",
    "score",
    "account",
    "narrow",
)
_PACKAGE = Path(__file__).parent.parent


def static_folder() -> Path:
    """A wheel carries the folder inside the package, a checkout at its root."""
    inside = _PACKAGE / "static"
    return inside if inside.is_dir() else _PACKAGE.parent.parent / "static"


class StaticFolder(StaticFiles):
    """Files of which a browser asks each time whether they are still the same: modules name each other
    without a version.
    """

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["cache-control"] = "no-cache"
        return response


def head(version: str) -> str:
    """What the page loads into its head; the version makes browsers fetch new files after an update."""
    base = STATIC_PATH.lstrip("/")
    styles = (f'<link rel="stylesheet" href="{base}/{name}.css?v={version}">' for name in _STYLES)
    return (
        f"{''.join(styles)}"
        f'<script src="{base}/page.js?v={version}" defer></script>'
        f'<script src="{base}/account.js?v={version}" type="module"></script>'
        f'<script src="{base}/answer.js?v={version}" type="module"></script>'
        '<meta name="color-scheme" content="light dark">'
    )
