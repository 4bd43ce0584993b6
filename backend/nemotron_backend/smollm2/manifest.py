"""Is a prepared checkpoint whole?"""

import json
from pathlib import Path

from nemotron_backend.smollm2.release import Release, sha256

_NAME = "manifest.json"
# Raised when the same release would be converted into other files.
_FORMAT = 1


def write_manifest(folder: Path, release: Release) -> None:
    """Record the checksum of every file of a folder."""
    files = {file.name: sha256(file) for file in sorted(folder.iterdir())}
    content = {"format": _FORMAT, "source": release.gguf_sha256, "files": files}
    (folder / _NAME).write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def is_whole(folder: Path, release: Release) -> bool:
    """Whether the folder holds what was made from this release, unchanged. Reads every byte."""
    try:
        content = json.loads((folder / _NAME).read_bytes())
        if (content["format"], content["source"]) != (_FORMAT, release.gguf_sha256):
            return False
        return all(sha256(folder / name) == digest for name, digest in content["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
