"""What is derived from the server's one secret?

Every use gets a key of its own, so that none of them can stand in for another.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from nemotron_app.accounts.errors import Misconfigured

_SHORTEST = 32


class Secret:
    """The server's secret; never printed, only derived from."""

    def __init__(self, text: str) -> None:
        if len(text.encode()) < _SHORTEST:
            raise Misconfigured(f"the accounts' secret must have at least {_SHORTEST} bytes")
        self._root = text.encode()
        self._pepper = self.derive("pepper")

    def derive(self, purpose: str) -> bytes:
        """32 bytes that only this purpose uses."""
        return HKDF(SHA256(), 32, salt=None, info=f"nemotron-playground {purpose}".encode()).derive(
            self._root
        )

    def digest(self, kind: str, text: str) -> str:
        """What is stored of `text` so that it is recognised when it comes again."""
        return hmac.digest(self._pepper, f"{kind}\0{text}".encode(errors="replace"), hashlib.sha256).hex()

    def __repr__(self) -> str:
        return "Secret()"


def read_or_create(path: Path) -> str:
    """The secret kept in a file that only its owner reads; made by whichever process comes first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48))
    try:
        # A link, unlike opening the file itself, never shows another process a half-written secret.
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_text().strip()
