"""How does one message become bytes on a stream, and come back whole?"""

from collections.abc import Callable
from typing import Final

import msgspec

from nemotron_backend.embedded.messages import FromWorker, Message, ToWorker

HEADER_BYTES: Final = 4
MAX_BYTES: Final = 64 << 20

decode_to_worker = msgspec.msgpack.Decoder(ToWorker).decode
decode_from_worker = msgspec.msgpack.Decoder(FromWorker).decode


class BrokenFrame(Exception):
    """The stream does not hold what its header promises."""


def encode(message: Message) -> bytes:
    """The message behind four bytes of length."""
    payload = msgspec.msgpack.encode(message)
    return len(payload).to_bytes(HEADER_BYTES) + payload


def length_of(header: bytes) -> int:
    """Bytes of the payload that follows this header."""
    length = int.from_bytes(header)
    if length > MAX_BYTES:
        raise BrokenFrame(f"a frame of {length} bytes is announced, {MAX_BYTES} is the most")
    return length


def read_frame(read_exactly: Callable[[int], bytes]) -> bytes:
    """One payload; empty at the end of the stream."""
    header = read_exactly(HEADER_BYTES)
    return read_exactly(length_of(header)) if header else b""
