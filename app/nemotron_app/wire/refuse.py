"""Which fields that other servers know are refused here, rather than ignored?

A field that would change the answer must not be dropped in silence.
"""

from collections.abc import Mapping
from typing import Any

from nemotron_app.errors import BadRequest
from nemotron_app.wire.chat import ChatBody
from nemotron_app.wire.completion import CompletionBody
from nemotron_backend.catalog import Model

_NO_TOOLS = "tool calls are not served yet"
_NO_GRAMMAR = "answers bound to a grammar or schema are not served yet"
_NO_CODE = "a server takes no code, adapters or sessions from a request"
_NO_AUDIO = "only text is served"

_REFUSED: Mapping[str, str] = {
    "tools": _NO_TOOLS,
    "functions": _NO_TOOLS,
    "function_call": _NO_TOOLS,
    "regex": _NO_GRAMMAR,
    "ebnf": _NO_GRAMMAR,
    "json_schema": _NO_GRAMMAR,
    "guided_json": _NO_GRAMMAR,
    "guided_choice": _NO_GRAMMAR,
    "guided_regex": _NO_GRAMMAR,
    "guided_grammar": _NO_GRAMMAR,
    "structured_outputs": _NO_GRAMMAR,
    "custom_logit_processor": _NO_CODE,
    "logits_processors": _NO_CODE,
    "lora_path": _NO_CODE,
    "input_ids": _NO_CODE,
    "session_params": _NO_CODE,
    "return_hidden_states": _NO_CODE,
    "audio": _NO_AUDIO,
    "web_search_options": "a model here does not search the web",
    "prediction": "predicted outputs are not served yet",
    "use_beam_search": "beam search is not served",
}


def refuse_known(extras: Mapping[str, Any]) -> None:
    """Raise BadRequest for the first field that asks for something not served; empty values ask nothing."""
    for name, value in extras.items():
        if name in _REFUSED and value:
            raise BadRequest(f"{name}: {_REFUSED[name]}", param=name, code="unsupported_field")
    if extras.get("tool_choice") not in (None, "none", "auto"):
        raise BadRequest(f"tool_choice: {_NO_TOOLS}", param="tool_choice", code="unsupported_field")
    if extras.get("modalities") not in (None, [], ["text"]):
        raise BadRequest(f"modalities: {_NO_AUDIO}", param="modalities", code="unsupported_field")


def refuse_format(body: ChatBody) -> None:
    """Anything but text."""
    if body.response_format is not None and body.response_format.type != "text":
        message = f"response_format: {body.response_format.type} is not served yet; only text is"
        raise BadRequest(message, param="response_format", code="unsupported_field")


def refuse_thinking(body: ChatBody, model: Model) -> None:
    """Thinking, which no model that is served here can be told about."""
    arguments = body.chat_template_kwargs
    asked = {
        "chat_template_kwargs.enable_thinking": bool(arguments and arguments.enable_thinking),
        "chat_template_kwargs.reasoning_budget": _is_limit(arguments.reasoning_budget if arguments else None),
        "reasoning_budget": _is_limit(body.reasoning_budget),
        "reasoning_effort": body.reasoning_effort not in (None, "none"),
        "nvext.max_thinking_tokens": _is_limit(body.nvext.max_thinking_tokens if body.nvext else None),
    }
    reason = "does not think" if model.reasoning is None else "cannot be told here how to think yet"
    for param, is_asked in asked.items():
        if is_asked:
            raise BadRequest(f"{param}: {model.id} {reason}", param=param, code="unsupported_field")


def _is_limit(num_tokens: int | None) -> bool:
    """Whether so many tokens of thinking ask for anything; 0 and -1 do not."""
    return num_tokens is not None and num_tokens > 0


def refuse_legacy(body: CompletionBody) -> None:
    """What old completions could do and no engine here does."""
    refused = {
        "echo": (bool(body.echo), "the prompt is not repeated; put it before the answer yourself"),
        "suffix": (bool(body.suffix), "filling in before a suffix is not served"),
        "best_of": (body.best_of not in (None, body.n or 1), "only as many answers as `n` are made"),
    }
    for param, (is_asked, reason) in refused.items():
        if is_asked:
            raise BadRequest(f"{param}: {reason}", param=param, code="unsupported_field")
