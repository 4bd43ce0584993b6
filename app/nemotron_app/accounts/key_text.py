"""What does an API key look like?

`npg_`, 30 random letters and digits (178 bits), and 6 that are the CRC-32 of all before: a scanner finds
one without false alarms, and junk is turned away without a look into the store.
"""

import re
import secrets
import string
import zlib

PREFIX = "npg_"
SHOWN = 4
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM = 30
_CHECK = 6
_SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM + _CHECK}}}", re.ASCII)
_LEAK = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{SHOWN},}}", re.ASCII)


def mint() -> str:
    """A new key."""
    body = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return body + _checksum(body)


def is_well_formed(text: str) -> bool:
    """Whether a key of ours could be spelled so."""
    return _SHAPE.fullmatch(text) is not None and text[-_CHECK:] == _checksum(text[:-_CHECK])


def head_of(key: str) -> str:
    """The beginning that its owner may see again."""
    return key[: len(PREFIX) + SHOWN]


def tail_of(key: str) -> str:
    """The end that its owner may see again."""
    return key[-SHOWN:]


def redact(text: str) -> str:
    """`text` without whatever looks like a key in it."""
    return _LEAK.sub(lambda found: f"{found.group()[: len(PREFIX) + SHOWN]}[redacted]", text)


def _checksum(body: str) -> str:
    value = zlib.crc32(body.encode())
    digits = ""
    for _ in range(_CHECK):
        value, digit = divmod(value, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
