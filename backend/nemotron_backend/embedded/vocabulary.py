"""Which bytes does each token stand for, and which tokens end an answer?"""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from nemotron_backend.model.errors import UnreadableFile

_REMEDY = (
    "Put tokenizer.json, tokenizer_config.json and the chat template of the checkpoint beside its weights."
)

# What begins and ends a call of a tool is said to whoever reads the answer, though tokenizers may mark it.
_SPOKEN = frozenset(("<tool_call>", "</tool_call>", "<toolcall>", "</toolcall>", "<|python_tag|>"))


class UnknownDecoder(ValueError):
    """The tokenizer turns pieces into text in a way that is not known here."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`pieces` holds each id's exact bytes; `special` ids are marks, not text; `ends` close an answer."""

    pieces: tuple[bytes, ...]
    special: frozenset[int]
    ends: frozenset[int]

    @classmethod
    def read(cls, folder: Path) -> "Vocabulary":
        """Read `tokenizer.json` and the configurations beside it. Raises UnreadableFile, UnknownDecoder."""
        tokenizer = _read_tokenizer(folder / "tokenizer.json")
        added: list[dict[str, Any]] = tokenizer.get("added_tokens", [])
        texts = _texts(tokenizer["model"]["vocab"])
        to_bytes = _piece_decoder(tokenizer.get("decoder"))
        pieces = {token["id"]: token["content"].encode() for token in added}
        pieces |= {token_id: to_bytes(text) for token_id, text in texts.items() if token_id not in pieces}
        return cls(
            pieces=tuple(pieces.get(token_id, b"") for token_id in range(max(pieces) + 1)),
            special=frozenset(t["id"] for t in added if t["special"] and t["content"] not in _SPOKEN),
            ends=frozenset(_end_ids(folder, {token["content"]: token["id"] for token in added})),
        )

    def bytes_of(self, token_id: int) -> bytes:
        """Exact bytes of one token; none for the padding that some networks add to the vocabulary."""
        return self.pieces[token_id] if token_id < len(self.pieces) else b""


def _read_tokenizer(file: Path) -> dict[str, Any]:
    try:
        tokenizer: dict[str, Any] = json.loads(file.read_text("utf-8"))
        tokenizer["model"]["vocab"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableFile(file, f"not a readable tokenizer ({error!r})", _REMEDY) from error
    return tokenizer


def _read_json(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return content


def _texts(vocab: dict[str, int] | list[list[Any]]) -> dict[int, str]:
    """Unigram models list pieces with scores, all others map pieces to ids."""
    if isinstance(vocab, dict):
        return {token_id: text for text, token_id in vocab.items()}
    return {token_id: entry[0] for token_id, entry in enumerate(vocab)}


def _piece_decoder(decoder: dict[str, Any] | None) -> Callable[[str], bytes]:
    names = _decoder_names(decoder)
    if "ByteLevel" in names:
        return _byte_level
    if names & {"ByteFallback", "Metaspace", "Replace"}:
        return _byte_fallback
    raise UnknownDecoder(f"tokenizers with the decoder {sorted(names)} are not supported")


def _decoder_names(decoder: dict[str, Any] | None) -> set[str]:
    if decoder is None:
        return set()
    return {decoder["type"]}.union(*(_decoder_names(part) for part in decoder.get("decoders", ())))


def _byte_level(text: str) -> bytes:
    table = _byte_of_character()
    return bytes(table[character] for character in text)


def _byte_fallback(text: str) -> bytes:
    if len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
        return bytes.fromhex(text[3:5])
    return text.replace("\u2581", " ").encode()


@cache
def _byte_of_character() -> dict[str, int]:
    """GPT-2's table: printable bytes stand for themselves, all others for characters from 256 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(256 + rank): byte for rank, byte in enumerate(others)
    }


def _end_ids(folder: Path, ids: dict[str, int]) -> Collection[int]:
    """All that any of the checkpoint's files calls an end: the text's, and the chat turn's."""
    configs = (_read_json(folder / name) for name in ("generation_config.json", "config.json"))
    ends: set[int] = set()
    for config in configs:
        value: int | list[int] | None = config.get("eos_token_id")
        ends |= set(value) if isinstance(value, list) else {value} if value is not None else set()
    token: str | dict[str, str] | None = _read_json(folder / "tokenizer_config.json").get("eos_token")
    text = token["content"] if isinstance(token, dict) else token
    return ends | ({ids[text]} if text in ids else set())
