"""The program itself, started as a user starts it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Launch = Callable[..., tuple["subprocess.Popen[str]", str]]


def _environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("NEMOTRON_PLAYGROUND_")}
    roots = os.pathsep.join(str(ROOT / name) for name in ("app", "backend", "kernels"))
    return own | {"PYTHONPATH": roots}


def _launch(*flags: str) -> tuple["subprocess.Popen[str]", str]:
    """A server on a free port, and its address, once it listens."""
    command = [sys.executable, "-m", "nemotron_app", "serve", "--port", "0", *flags]
    process = subprocess.Popen(
        command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("Nemotron Playground is at http://"), f"the server did not start: {line!r}"
    return process, line.split()[-1]


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


@pytest.fixture(scope="session")
def launch_playground() -> Iterator[Launch]:
    """Start a server of one's own: `launch_playground(*flags)` returns its process and its address."""
    with ExitStack() as stack:

        def launch(*flags: str) -> tuple["subprocess.Popen[str]", str]:
            process, url = _launch(*flags)
            stack.callback(_end, process)
            return process, url

        yield launch


@pytest.fixture(scope="session")
def echo_url(launch_playground: Launch) -> str:
    """The API's address of a server that echoes; tests share it."""
    _, url = launch_playground("--engine", "echo", "--page", "false")
    return f"{url}/v1"
