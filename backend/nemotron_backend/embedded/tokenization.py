"""Which token ids does the model read for a prompt, and which text do ids stand for?"""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from nemotron_backend.embedded.chat_template import ChatTemplate, read_source
from nemotron_backend.engine import InvalidRequest
from nemotron_backend.request import Conversation, Prompt, Text, TokenIds

_SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token")


class Tokenization:
    """A checkpoint's tokenizer and chat template."""

    def __init__(self, tokenizer: Tokenizer, template: ChatTemplate | None, first_token: int | None) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self._first_token = first_token

    @classmethod
    def read(cls, folder: Path, fallback: str = "") -> "Tokenization":
        """Load both from a folder in Hugging Face format; `fallback` is the template where it has none."""
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        special = _special_tokens(folder)
        source = read_source(folder) or fallback
        first = special.get("bos_token") or special.get("eos_token")
        return cls(
            tokenizer,
            ChatTemplate(source, special) if source else None,
            tokenizer.token_to_id(first) if first else None,
        )

    @property
    def vocab_size(self) -> int:
        """How many ids have a text."""
        return self._tokenizer.get_vocab_size(with_added_tokens=True)

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """Token ids of a prompt, at least one. Raises InvalidRequest."""
        ids = self._ids(prompt)
        if ids:
            return ids
        # A network needs one token to say what comes next; for nothing at all that is the text's beginning.
        if self._first_token is None:
            raise InvalidRequest(field_of(prompt), "the prompt is empty")
        return (self._first_token,)

    def decode(self, token_ids: tuple[int, ...]) -> str:
        """Text of token ids, special ones included. Raises InvalidRequest."""
        self._check(token_ids, "tokens")
        return self._tokenizer.decode(list(token_ids), skip_special_tokens=False)

    def _ids(self, prompt: Prompt) -> tuple[int, ...]:
        match prompt:
            case Conversation():
                return self._encode_text(self._render(prompt), "messages", add_special_tokens=False)
            case Text(text=text):
                return self._encode_text(text, "prompt", add_special_tokens=True)
            case TokenIds(token_ids=token_ids):
                self._check(token_ids, "prompt")
                return token_ids

    def _render(self, conversation: Conversation) -> str:
        if self._template is None:
            raise InvalidRequest(
                "messages", "this model has no chat template; use /v1/completions with a prompt"
            )
        return self._template.render(conversation)

    def _encode_text(self, text: str, field: str, *, add_special_tokens: bool) -> tuple[int, ...]:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidRequest(field, f"the text is not valid Unicode: {error.reason}") from error
        # Of the encoding calls, this is the one that lets other threads run meanwhile.
        (encoding,) = self._tokenizer.encode_batch_fast([text], add_special_tokens=add_special_tokens)
        return tuple(encoding.ids)

    def _check(self, token_ids: tuple[int, ...], field: str) -> None:
        size = self.vocab_size
        outside = next((token_id for token_id in token_ids if not 0 <= token_id < size), None)
        if outside is not None:
            raise InvalidRequest(
                field, f"token id {outside} is outside the vocabulary, which has {size} tokens"
            )


def field_of(prompt: Prompt) -> str:
    """The request's field that a prompt came from, as the API spells it."""
    return "messages" if isinstance(prompt, Conversation) else "prompt"


def _special_tokens(folder: Path) -> dict[str, str]:
    file = folder / "tokenizer_config.json"
    config: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    found: dict[str, str | dict[str, str] | None] = {name: config.get(name) for name in _SPECIAL}
    texts = {name: value["content"] if isinstance(value, dict) else value for name, value in found.items()}
    return {name: text for name, text in texts.items() if isinstance(text, str)}
