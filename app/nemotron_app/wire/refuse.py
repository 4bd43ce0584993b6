"""Which fields that other servers know are refused here, rather than ignored?

A field that would change the answer must not be dropped in silence.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from nemotron_app.errors import BadRequest
from nemotron_app.wire.chat import ChatBody, TemplateArguments
from nemotron_app.wire.completion import CompletionBody
from nemotron_app.wire.fields import GenerationBody, NvExt
from nemotron_backend.catalog import Model
from nemotron_backend.engine import Lack

_NO_FUNCTIONS = "functions became tools; send `tools`"
_NO_FORCE = "a call cannot be forced here; send `auto` or `none`"
_NO_GRAMMAR = "answers bound to a grammar or schema are not served yet"
_NO_CODE = "a server takes no code, adapters or sessions from a request"
_NO_AUDIO = "only text is served"

_REFUSED: Mapping[str, str] = {
    "functions": _NO_FUNCTIONS,
    "function_call": _NO_FUNCTIONS,
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
    if extras.get("modalities") not in (None, [], ["text"]):
        raise BadRequest(f"modalities: {_NO_AUDIO}", param="modalities", code="unsupported_field")


def refuse_base(model: Model) -> None:
    """Conversations with a model that only continues texts."""
    if model.kind == "completion":
        message = (
            f"{model.id} is a base model: it continues texts and was not taught to converse. "
            "Send a text as `prompt` to /v1/completions"
        )
        raise BadRequest(message, param="model", code="unsupported_endpoint")


def refuse_judge(model: Model) -> None:
    """Texts to continue, by a model that only scores."""
    if model.kind == "reward":
        message = (
            f"{model.id} is a reward model: it scores answers and makes no text. "
            "Send a conversation that ends with the answer to /v1/chat/completions"
        )
        raise BadRequest(message, param="model", code="unsupported_endpoint")


def refuse_words(model: Model) -> None:
    """Answers to score, by a model that only makes some."""
    if model.kind != "reward":
        message = (
            f"{model.id} is no reward model, and so scores nothing. "
            "GET /v1/models tells which models have the kind `reward`"
        )
        raise BadRequest(message, param="model", code="unsupported_endpoint")


def refuse_format(body: ChatBody) -> None:
    """Anything but text."""
    if body.response_format is not None and body.response_format.type != "text":
        message = f"response_format: {body.response_format.type} is not served yet; only text is"
        raise BadRequest(message, param="response_format", code="unsupported_field")


def refuse_tools(body: ChatBody, model: Model) -> None:
    """Tools of a model that knows none, and calls that must be made."""
    if body.tools and not model.tools:
        message = f"tools: {model.id} was not taught to call any"
        raise BadRequest(message, param="tools", code="unsupported_field")
    if body.tool_choice not in (None, "none", "auto"):
        raise BadRequest(f"tool_choice: {_NO_FORCE}", param="tool_choice", code="unsupported_field")


def refuse_seed(body: GenerationBody, lacks: Sequence[Lack]) -> None:
    """A seed that the engine does not take; where none is asked for, one is filled in, and does no harm."""
    reason = next((lack.reason for lack in lacks if lack.field == "seed"), None)
    if reason and body.seed is not None:
        message = f"seed: {reason}, so the same tokens cannot be had again; leave it out"
        raise BadRequest(message, param="seed", code="unsupported_field")


def refuse_thinking(body: ChatBody, model: Model) -> None:
    """Thinking of a model that does not."""
    arguments, nvext = body.chat_template_kwargs or TemplateArguments(), body.nvext or NvExt()
    asked = {
        "chat_template_kwargs.enable_thinking": arguments.enable_thinking is True,
        "chat_template_kwargs.reasoning_budget": _is_limit(arguments.reasoning_budget),
        "chat_template_kwargs.truncate_history_thinking": arguments.truncate_history_thinking is False,
        "reasoning_budget": _is_limit(body.reasoning_budget),
        "thinking_token_budget": _is_limit(body.thinking_token_budget),
        "reasoning_effort": body.reasoning_effort not in (None, "none"),
        "nvext.max_thinking_tokens": _is_limit(nvext.max_thinking_tokens),
        "nvext.thinking_grace": _is_limit(nvext.thinking_grace),
        "nvext.handover": nvext.handover is not None,
    }
    for param, is_asked in asked.items():
        if is_asked:
            message = f"{param}: {model.id} does not think"
            raise BadRequest(message, param=param, code="unsupported_field")


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
