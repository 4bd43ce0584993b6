"""Fixtures that many tests share."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from socket import socket

import pytest

LaunchRedis = Callable[..., "subprocess.Popen[str]"]


def _free_port() -> int:
    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _launch_redis(port: int, folder: Path, *options: str) -> "subprocess.Popen[str]":
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ready to accept connections" in line:
            return process
    raise RuntimeError(f"redis-server did not start:\n{''.join(lines)}")


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


@pytest.fixture
def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on."""
    return _free_port()


@pytest.fixture
def launch_redis(tmp_path: Path) -> Iterator[LaunchRedis]:
    """Start a Redis server of one's own: `launch_redis(port, *options)` returns once it takes connections."""
    with ExitStack() as stack:

        def launch(port: int, *options: str) -> "subprocess.Popen[str]":
            process = _launch_redis(port, tmp_path, *options)
            stack.callback(_end, process)
            return process

        yield launch


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis server that tests share; each takes names of its own, and none may flush or stop it."""
    port = _free_port()
    process = _launch_redis(port, tmp_path_factory.mktemp("redis"))
    yield f"redis://127.0.0.1:{port}"
    _end(process)
