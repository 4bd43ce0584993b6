"""How does a server of the API answer questions?"""

from collections.abc import Mapping
from time import perf_counter
from typing import Any

from openai import APIError, AsyncOpenAI

from nemotron_backend.engine import EngineFailed
from nemotron_backend.evaluation.answer import Answer, Draft
from nemotron_backend.request import Conversation, Decoding, GenerationRequest, Usage, Variant

# Limits of requests a minute are waited out.
_RETRIES = 20
_SECONDS = 600.0


class ServerAsker:
    """Asks a server through OpenAI's client; token ids are not known there."""

    def __init__(self, url: str, key: str) -> None:
        self._client = AsyncOpenAI(base_url=url, api_key=key, max_retries=_RETRIES, timeout=_SECONDS)
        self._thinkers: frozenset[str] = frozenset()

    async def variants(self) -> tuple[Variant, ...]:
        """Everything that answers at the server now. Raises EngineFailed."""
        try:
            models = [model async for model in self._client.models.list()]
        except APIError as error:
            raise EngineFailed(f"the server does not say what it serves: {error}") from error
        self._thinkers = frozenset(model.id for model in models if getattr(model, "reasoning", None))
        answering = [model for model in models if getattr(model, "kind", "") != "reward"]
        served: list[str] = [text for model in answering for text in getattr(model, "variants", ())]
        return tuple(Variant.parse(text) for text in served)

    async def ask(self, request: GenerationRequest) -> Answer:
        can_think = request.variant.model in self._thinkers
        started = perf_counter()
        try:
            completion = await self._client.chat.completions.create(**_body(request, can_think=can_think))
        except APIError as error:
            raise EngineFailed(f"the server refused {request.variant}: {error}") from error
        return _answer(completion.model_dump(), 1000 * (perf_counter() - started))

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._client.close()


def _body(request: GenerationRequest, *, can_think: bool) -> dict[str, Any]:
    """The arguments of OpenAI's client for a request; a switch that a model lacks would be refused."""
    assert isinstance(request.prompt, Conversation)
    switch = {"chat_template_kwargs": {"enable_thinking": request.prompt.is_thinking}} if can_think else {}
    messages = [{"role": message.role, "content": message.content} for message in request.prompt.messages]
    return {
        "model": str(request.variant),
        "messages": messages,
        "max_tokens": request.stopping.max_tokens,
        "temperature": request.sampling.temperature,
        "seed": request.sampling.seed,
        "extra_body": {"nvext": _knobs(request), **switch},
    }


def _knobs(request: GenerationRequest) -> dict[str, Any]:
    """What differs from the server's own choice; a knob without meaning would be refused."""
    decoding, thinking, usual = request.decoding, request.thinking, Decoding()
    is_filling = request.variant.decode != "autoregressive"
    knobs = {
        "block_length": decoding.block_length or None,
        "threshold": decoding.threshold if is_filling else None,
        "drafting": decoding.drafting if decoding.drafting != usual.drafting else None,
        "max_thinking_tokens": thinking.budget if thinking.budget >= 0 else None,
        "handover": thinking.handover if thinking.handover != "prefill" else None,
    }
    return {name: value for name, value in knobs.items() if value is not None}


def _answer(completion: Mapping[str, Any], milliseconds: float) -> Answer:
    message = completion["choices"][0]["message"]
    return Answer(
        text=message["content"] or "",
        reasoning=message.get("reasoning_content") or "",
        token_ids=(),
        drafts=_drafts(completion.get("metrics") or {}),
        usage=_usage(completion["usage"], completion["nvext"]["metrics"]),
        milliseconds=milliseconds,
    )


def _drafts(metrics: Mapping[str, Any]) -> tuple[Draft, ...]:
    steps = metrics.get("speculative_decoding") or {}
    pairs = zip(steps.get("per_step_drafted", ()), steps.get("per_step_accepted", ()), strict=True)
    return tuple(Draft(num_drafted=drafted, num_accepted=accepted) for drafted, accepted in pairs)


def _usage(usage: Mapping[str, Any], metrics: Mapping[str, Any]) -> Usage:
    return Usage(
        prompt_tokens=usage["prompt_tokens"],
        cached_tokens=usage["prompt_tokens_details"]["cached_tokens"],
        completion_tokens=usage["completion_tokens"],
        reasoning_tokens=usage["completion_tokens_details"]["reasoning_tokens"],
        forwards=metrics["forwards"],
        queue_milliseconds=metrics["queue_ms"],
        first_token_milliseconds=metrics["ttft_ms"],
        total_milliseconds=metrics["total_ms"],
    )
