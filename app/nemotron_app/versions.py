"""Which programs answer?"""

import hashlib
from importlib.metadata import PackageNotFoundError, version

from nemotron_app import __version__
from nemotron_app.wire.envelope import Maker


def maker_of(engine: str) -> Maker:
    """The versions that decide which tokens come out, and a fingerprint of them all."""
    versions = {"nemotron-playground": __version__, "engine": engine, "torch": _version("torch")}
    digest = hashlib.sha256(repr(sorted(versions.items())).encode()).hexdigest()
    return Maker(versions=versions, fingerprint=f"fp_{digest[:10]}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
