"""Where are the page's static files?"""

from pathlib import Path

# Gradio keeps `/static` and `/assets` for files of its own.
STATIC_PATH = "/page"

_PACKAGE = Path(__file__).parent.parent


def static_folder() -> Path:
    """A wheel carries the folder inside the package, a checkout at its root."""
    inside = _PACKAGE / "static"
    return inside if inside.is_dir() else _PACKAGE.parent.parent / "static"


def head(version: str) -> str:
    """What the page loads into its head; the version makes browsers fetch new files after an update."""
    base = STATIC_PATH.lstrip("/")
    return (
        f'<link rel="stylesheet" href="{base}/theme.css?v={version}">'
        f'<script src="{base}/page.js?v={version}" defer></script>'
        '<meta name="color-scheme" content="light dark">'
    )
