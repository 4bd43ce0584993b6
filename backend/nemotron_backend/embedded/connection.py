"""How does the gateway start, hear and stop the engine's process?"""

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress

from nemotron_backend.embedded.frames import HEADER_BYTES, decode_from_worker, encode, length_of
from nemotron_backend.embedded.messages import FromWorker, Message

_MODULE = "nemotron_backend.embedded.worker"
_GRACE_SECONDS = 2.0


class Connection:
    """A running process and the gateway's end of its socket pair."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls) -> "Connection":
        """Start the process."""
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_unix_connection(sock=ours)
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    _MODULE,
                    str(theirs.fileno()),
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                    env=_environment(),
                )
            except BaseException:
                writer.close()
                raise
        return cls(process, reader, writer)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def send(self, message: Message) -> None:
        """Queue a message; one to a dead process is lost, its end is noticed by `receive`."""
        if not self._writer.is_closing():
            self._writer.write(encode(message))

    async def receive(self) -> FromWorker | None:
        """The next message; None when the process has gone."""
        try:
            header = await self._reader.readexactly(HEADER_BYTES)
            payload = await self._reader.readexactly(length_of(header))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        message: FromWorker = decode_from_worker(payload)
        return message

    async def close(self) -> str:
        """Hang up, which ends the process, and see it gone; gives how it ended."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()
        try:
            async with asyncio.timeout(_GRACE_SECONDS):
                code = await self._process.wait()
        except TimeoutError:
            self._process.kill()
            code = await self._process.wait()
        return _ending(code)


def _environment() -> dict[str, str]:
    """Ours, with our import paths, which a checkout without installation needs."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"{name}, perhaps for want of memory" if name == "SIGKILL" else name
