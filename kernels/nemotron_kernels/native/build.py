"""How does the native code come to be compiled, once for each machine and version?

The library is named for its sources and flags, so that another version is another file. One
process compiles while others wait for it, and a finished library is moved to its name whole.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from nemotron_kernels.native.processor import Variant

_SOURCE = Path(__file__).parent / "source"
_FLAGS = ("-O3", "-std=gnu11", "-shared", "-fPIC", "-pthread", "-fno-math-errno", "-w")
# Zig's compiler adds checks that trap unless told otherwise.
_ZIG_FLAGS = ("-fno-sanitize=undefined",)
_LONGEST_WAIT = 600.0
REMEDY = "Install a C compiler (on Debian: apt-get install gcc libc6-dev) or `pip install ziglang`."


class BuildFailed(Exception):
    """There is no compiler, or it refused; the message names a remedy."""


def cache_folder() -> Path:
    """Where libraries are kept."""
    return user_cache_path("nemotron-playground") / "native"


def compiler() -> list[str]:
    """The machine's own compiler, or the one that Python's index has. Raises BuildFailed."""
    if own := shutil.which(os.environ.get("CC") or "cc"):
        return [own]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc", *_ZIG_FLAGS]
    raise BuildFailed(f"there is no C compiler. {REMEDY}")


def build(variant: Variant, folder: Path) -> Path:
    """The library for this variant, compiled unless it is there. Raises BuildFailed."""
    sources = sorted(_SOURCE.glob("*.c"))
    library = folder / f"{variant.name}-{_digest(variant)}.so"
    if library.exists():
        return library
    command = [*compiler(), *_FLAGS, *variant.flags, *map(str, sources)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=_LONGEST_WAIT):
            if not library.exists():
                _compile(command, library)
    except OSError as error:
        raise BuildFailed(f"the cache folder {folder} cannot be written ({error})") from error
    return library


def _compile(command: Sequence[str], library: Path) -> None:
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        made = Path(folder) / library.name
        done = subprocess.run([*command, "-o", str(made)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildFailed(f"{command[0]} failed: {done.stderr.strip()[:500]}. {REMEDY}")
        made.replace(library)


def _digest(variant: Variant) -> str:
    digest = hashlib.sha256(" ".join((*_FLAGS, *variant.flags)).encode())
    for file in sorted(_SOURCE.iterdir()):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]
