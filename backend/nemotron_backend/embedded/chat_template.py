"""How does a conversation become the text that the model was trained on?"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from nemotron_backend.engine import InvalidRequest
from nemotron_backend.request import Conversation, Message


class ChatTemplate:
    """A checkpoint's Jinja template, rendered as transformers renders it."""

    def __init__(self, source: str, special_tokens: dict[str, str]) -> None:
        # A template is a stranger's code: it may compute text, and touch nothing else.
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        environment.globals.update(raise_exception=_refuse, strftime_now=_now)
        self._template = environment.from_string(source)
        self._special_tokens = special_tokens

    def render(self, conversation: Conversation) -> str:
        """The prompt up to where the assistant's turn begins. Raises InvalidRequest."""
        messages = [_plain(message) for message in conversation.messages]
        try:
            return self._template.render(
                messages=messages, add_generation_prompt=True, **self._special_tokens
            )
        except (TemplateError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise InvalidRequest(
                "messages", f"the model's chat template refuses the messages: {error}"
            ) from error


def read_source(folder: Path) -> str:
    """The template of a checkpoint; empty when it has none."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text("utf-8")
    config = folder / "tokenizer_config.json"
    template = json.loads(config.read_text("utf-8")).get("chat_template", "") if config.is_file() else ""
    return template if isinstance(template, str) else ""


def _plain(message: Message) -> dict[str, str]:
    plain = {"role": message.role, "content": message.content}
    return plain | {"reasoning_content": message.reasoning} if message.reasoning else plain


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form)


# Jinja's own filter escapes HTML, which no prompt wants.
def _to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)
