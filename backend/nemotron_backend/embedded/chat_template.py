"""How does a conversation become the text that the model was trained on?"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from nemotron_backend.engine import InvalidRequest
from nemotron_backend.request import Conversation, Message, Tool, ToolCall


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
        self._takes_tools = "tools" in find_undeclared_variables(environment.parse(source))
        self._special_tokens = special_tokens

    def render(self, conversation: Conversation) -> str:
        """The prompt up to where the assistant's turn begins, or has ended. Raises InvalidRequest."""
        if conversation.tools and not self._takes_tools:
            raise InvalidRequest("tools", "the model's chat template has no place for tools")
        try:
            return self._template.render(_arguments(conversation) | self._special_tokens)
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


def _arguments(conversation: Conversation) -> dict[str, Any]:
    """What templates look at; a name that some take as given is left out where there is nothing."""
    arguments: dict[str, Any] = {
        "messages": [_plain(message) for message in conversation.messages],
        "add_generation_prompt": not conversation.is_finished,
        "enable_thinking": conversation.is_thinking,
        "truncate_history_thinking": not conversation.keeps_thoughts,
    }
    if conversation.tools:
        arguments["tools"] = [_offered(tool) for tool in conversation.tools]
    if conversation.budget > 0:
        arguments["reasoning_budget"] = conversation.budget
    return arguments | ({conversation.effort: True} if conversation.effort else {})


def _plain(message: Message) -> dict[str, Any]:
    plain: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.reasoning:
        plain["reasoning_content"] = message.reasoning
    if message.tool_calls:
        plain["tool_calls"] = [_called(call) for call in message.tool_calls]
    return plain


def _called(call: ToolCall) -> dict[str, Any]:
    """A call as templates expect it, with its arguments as an object."""
    return {"type": "function", "function": {"name": call.name, "arguments": json.loads(call.arguments)}}


def _offered(tool: Tool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": json.loads(tool.parameters),
    }
    return {"type": "function", "function": function}


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form)


# Jinja's own filter escapes HTML, which no prompt wants.
def _to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)
