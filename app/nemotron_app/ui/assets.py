"""Where are the page's static files?"""

from pathlib import Path

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
    "panel",
    "code",
    "models",
    "narrow",
)
_PACKAGE = Path(__file__).parent.parent


def static_folder() -> Path:
    """A wheel carries the folder inside the package, a checkout at its root."""
    inside = _PACKAGE / "static"
    return inside if inside.is_dir() else _PACKAGE.parent.parent / "static"


def head(version: str) -> str:
    """What the page loads into its head; the version makes browsers fetch new files after an update."""
    base = STATIC_PATH.lstrip("/")
    styles = (f'<link rel="stylesheet" href="{base}/{name}.css?v={version}">' for name in _STYLES)
    return (
        f"{''.join(styles)}"
        f'<script src="{base}/page.js?v={version}" defer></script>'
        '<meta name="color-scheme" content="light dark">'
    )
