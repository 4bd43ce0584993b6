"""What runs in the engine's own process?

Started as `python -m nemotron_backend.embedded.worker FD`, where FD is its end of a socket pair. It
lives as long as the other end does.
"""

import logging
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from queue import SimpleQueue
from threading import Lock, Thread
from types import FrameType

import torch

from nemotron_backend.embedded.core import Core
from nemotron_backend.embedded.frames import decode_to_worker, encode, read_frame
from nemotron_backend.embedded.loader import Loader
from nemotron_backend.embedded.messages import (
    Abort,
    Gauges,
    Load,
    LoadFailed,
    Message,
    StartFailed,
    Submit,
    ToWorker,
)
from nemotron_backend.embedded.networks import Networks


class Channel:
    """The process's end of the socket pair; a thread reads, so that an abort is seen before the next step."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._lock = Lock()
        self._inbox: SimpleQueue[ToWorker | None] = SimpleQueue()
        Thread(target=self._read, name="read messages", daemon=True).start()

    def send(self, message: Message) -> None:
        """Write a message whole; threads may do so at once."""
        with self._lock, suppress(OSError):
            self._end.sendall(encode(message))

    def wake(self) -> None:
        """Let a waiting `receive` return."""
        self._inbox.put(None)

    def receive(self, *, wait: bool) -> list[ToWorker]:
        """All messages that have come, waiting for one if asked."""
        received = [self._inbox.get()] if wait else []
        while not self._inbox.empty():
            received.append(self._inbox.get())
        return [message for message in received if message is not None]

    def _read(self) -> None:
        with suppress(OSError):
            while payload := read_frame(self._read_exactly):
                self._inbox.put(decode_to_worker(payload))
        # Nobody is left to answer. The main thread may be deep in a forward or a download.
        os._exit(0)

    def _read_exactly(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = self._end.recv(count - len(parts))
            if not part:
                return b""
            parts += part
        return bytes(parts)


def main() -> None:
    """Serve what the first message asks for."""
    # Ctrl-C in a terminal goes to every process; the gateway's end decides when this one ends.
    signal.signal(signal.SIGINT, _ignore)
    logging.basicConfig(level=logging.INFO, format="engine process: %(message)s")
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    first = channel.receive(wait=True)
    if not first or not isinstance(first[0], Load):
        raise SystemExit("the first message must say what to load")
    _serve(channel, first[0])


def _ignore(number: int, frame: FrameType | None) -> None:
    """Unlike SIG_IGN, this is not passed on to the processes that this one starts."""


def _num_threads() -> int:
    """All that torch would take, but for one core: its threads spin while they wait for each other, so one
    that shares its core with the gateway or a browser can make every step ten times slower.
    """
    return min(torch.get_num_threads(), max(1, len(os.sched_getaffinity(0)) - 1))


def _serve(channel: Channel, order: Load) -> None:
    options = order.options
    torch.set_num_threads(options.num_threads or _num_threads())
    networks = Networks(channel.wake)
    core = Core(options, networks, networks.vocabularies, time.monotonic)
    loader = Loader(options, networks, channel.send, channel.wake)
    loader.start()
    with torch.inference_mode():
        _loop(core, channel, Start(loader, len(options.models)))


class Start:
    """Tells the gateway what becomes of each model, and ends the process where nothing comes of any."""

    def __init__(self, loader: Loader, num_models: int) -> None:
        self._loader = loader
        self._num_models = num_models
        self._failures: list[str] = []

    def tell(self, channel: Channel, gauges: Gauges) -> None:
        """Pass on what is new."""
        for outcome in self._loader.take():
            channel.send(gauges)
            channel.send(outcome)
            if isinstance(outcome, LoadFailed):
                self._failures.append(outcome.reason)
        if len(self._failures) == self._num_models:
            channel.send(StartFailed(reason="; ".join(self._failures)))
            raise SystemExit(1)


def _loop(core: Core, channel: Channel, start: Start) -> None:
    reported: Gauges | None = None
    while True:
        for message in channel.receive(wait=core.is_idle):
            _take(core, channel, message)
        start.tell(channel, core.gauges)
        for event in core.step():
            channel.send(event)
        gauges = core.gauges
        if gauges != reported:
            channel.send(gauges)
            reported = gauges


def _take(core: Core, channel: Channel, message: ToWorker) -> None:
    match message:
        case Submit():
            refused = core.submit(message)
            if refused is not None:
                channel.send(refused)
        case Abort(id=request_id):
            core.abort(request_id)
        case Load():
            raise ValueError("a process loads once")


if __name__ == "__main__":
    main()
