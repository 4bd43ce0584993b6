"""Which fields that other servers know are refused here, rather than ignored?

A field that would change the answer must not be dropped in silence.
"""

from collections.abc import Mapping
from typing import Any

from nemotron_app.errors import BadRequest

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
