"""What does another server's refusal mean for the caller here?

NVIDIA answers `{"status", "title", "detail"}`, vLLM OpenAI's envelope or its content alone, and a router in
between plain text. A wrong key is 403 there. None of it is the caller's fault but what the request says.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from nemotron_backend.engine import (
    ContextTooLong,
    EngineBusy,
    EngineError,
    EngineFailed,
    InvalidRequest,
    UnknownVariant,
)
from nemotron_backend.request import Conversation, GenerationRequest, Prompt

_LIMIT = re.compile(r"(?:maximum context length is|context holds) (\d+)")
_NEEDED = re.compile(r"(?:requested|need) (\d+) tokens")
_INPUT = re.compile(r"(?:has|contains at least|your prompt contains) (\d+) input tokens")
_LONGEST = 500
_RETRY = 10.0


def refusal(
    status: int, headers: Mapping[str, str], content: bytes, name: str, request: GenerationRequest | None
) -> EngineError:
    """The error that an HTTP answer stands for; `name` is the server's."""
    error = _parse(content)
    said = _sentence(error, content)
    if status in (400, 413, 422):
        return _of_request(said, error, name, request)
    if status in (401, 403):
        return EngineFailed(
            f"{name} refuses the key that this server has for it ({status}); whoever runs this server sets "
            f"it under `upstreams`"
        )
    if status == 404:
        return UnknownVariant(f"{name} knows no such model or route: {said}")
    if status in (429, 503):
        return EngineBusy(f"{name} is busy: {said}", retry_after=_retry_after(headers))
    return EngineFailed(f"{name} failed ({status}): {said}")


def broken(error: Any, name: str, request: GenerationRequest | None) -> EngineError:
    """The error that an event in the middle of a stream stands for."""
    fields = error if isinstance(error, dict) else {"message": str(error)}
    told = [status for key in ("code", "status") if isinstance(status := fields.get(key), int)]
    return refusal(next(iter(told), 500), {}, msgspec.json.encode({"error": fields}), name, request)


def _parse(content: bytes) -> dict[str, Any]:
    try:
        decoded = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return {}
    if not isinstance(decoded, dict):
        return {}
    inner = decoded.get("error", decoded)
    return inner if isinstance(inner, dict) else {**decoded, "detail": str(inner)}


def _sentence(error: Mapping[str, Any], content: bytes) -> str:
    """What went wrong in the other's words, of a bounded length."""
    words = [error[key] for key in ("message", "title", "detail", "reason") if error.get(key)]
    text = ": ".join(dict.fromkeys(map(str, words))) or content.decode("utf-8", errors="replace")
    return " ".join(text.split())[:_LONGEST] or "it gave no reason"


def _of_request(
    said: str, error: Mapping[str, Any], name: str, request: GenerationRequest | None
) -> EngineError:
    prompt = _field(request.prompt) if request else "tokens"
    limit = _LIMIT.search(said)
    if limit and (needed := _needed(said, request)):
        return ContextTooLong(prompt, said, num_tokens=needed, limit=int(limit[1]))
    param = error.get("param")
    return InvalidRequest(param if isinstance(param, str) and param else prompt, f"{name} says: {said}")


def _needed(said: str, request: GenerationRequest | None) -> int:
    """Tokens of prompt and answer, which some tell together and some apart."""
    if both := _NEEDED.search(said):
        return int(both[1])
    alone = _INPUT.search(said)
    return int(alone[1]) + (request.stopping.max_tokens if request else 0) if alone else 0


def _field(prompt: Prompt) -> str:
    return "messages" if isinstance(prompt, Conversation) else "prompt"


def _retry_after(headers: Mapping[str, str]) -> float:
    try:
        return max(0.0, float(headers.get("retry-after", _RETRY)))
    except ValueError:
        return _RETRY
