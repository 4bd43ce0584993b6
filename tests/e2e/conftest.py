"""Fixtures that sign-in tests with and without the page share."""

import subprocess
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parent / "oidc"


@pytest.fixture(scope="session")
def oidc_provider() -> Path:
    """The program of a real provider; its packages are those of its lock file."""
    stamp = _FOLDER / "node_modules" / ".package-lock.json"
    if not stamp.exists() or stamp.stat().st_mtime < (_FOLDER / "package-lock.json").stat().st_mtime:
        command = ("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
        subprocess.run(command, cwd=_FOLDER, check=True, capture_output=True)
    return _FOLDER / "provider.mjs"
