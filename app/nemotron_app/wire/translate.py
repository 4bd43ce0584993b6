"""What does an engine have to do for a body?"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import replace

from nemotron_app.errors import BadRequest
from nemotron_app.wire.asked import Asked
from nemotron_app.wire.chat import ChatBody
from nemotron_app.wire.completion import CompletionBody
from nemotron_app.wire.conversation import conversation_of
from nemotron_app.wire.decoding import decoding_of
from nemotron_app.wire.fields import GenerationBody, NvExt, StreamOptions
from nemotron_app.wire.judging import judged, judged_together
from nemotron_app.wire.prompt_size import likely_tokens, most_tokens
from nemotron_app.wire.refuse import (
    refuse_base,
    refuse_format,
    refuse_judge,
    refuse_known,
    refuse_legacy,
    refuse_seed,
    refuse_tools,
    refuse_words,
)
from nemotron_app.wire.sampling import sampling_of, stopping_of, with_marks
from nemotron_app.wire.score_body import ScoresBody
from nemotron_app.wire.thinking import reflection_of
from nemotron_app.wire.tool_calls import offered_tools
from nemotron_app.wire.variant import lacks_for, resolve
from nemotron_backend.catalog import Catalog, Model
from nemotron_backend.engine import Engine, NoTokenizer
from nemotron_backend.request import (
    GenerationRequest,
    Prompt,
    Text,
    TokenIds,
    Variant,
)


class Translator:
    """Turns bodies into requests, with everything filled in that the caller left open."""

    def __init__(self, catalog: Catalog, engine: Engine, *, max_choices: int) -> None:
        self._catalog = catalog
        self._engine = engine
        self._max_choices = max_choices

    async def chat(self, body: ChatBody) -> Asked:
        """What a chat body asks. Raises BadRequest and what the catalog and the engine raise."""
        refuse_known(body.extras)
        refuse_format(body)
        variant = resolve(body, self._catalog, self._engine)
        model = self._catalog.find(variant.model)
        if model.kind == "reward":
            return judged(body, model, variant)
        refuse_base(model)
        refuse_tools(body, model)
        reflection = reflection_of(body, model, variant)
        conversation = conversation_of(body.messages, model, reflection, offered_tools(body))
        top = (body.top_logprobs or 0) if body.logprobs else None
        if body.top_logprobs and not body.logprobs:
            raise BadRequest("top_logprobs needs logprobs to be true", param="top_logprobs")
        asked = await self._asked(body, variant, (conversation,), top, _limit(body))
        requests = tuple(
            replace(request, thinking=reflection.thinking, stopping=with_marks(request.stopping, model))
            for request in asked.requests
        )
        return replace(asked, requests=requests, has_switch=model.reasoning is not None)

    async def completion(self, body: CompletionBody) -> Asked:
        """What a completion body asks. Raises as `chat` does."""
        refuse_known(body.extras)
        refuse_legacy(body)
        variant = resolve(body, self._catalog, self._engine)
        refuse_judge(self._catalog.find(variant.model))
        return await self._asked(body, variant, _prompts(body), body.logprobs, body.max_tokens)

    async def scores(self, body: ScoresBody) -> Asked:
        """What a body with many answers asks. Raises as `chat` does."""
        variant = resolve(body, self._catalog, self._engine)
        model = self._catalog.find(variant.model)
        refuse_words(model)
        asked = judged_together(body, model, variant)
        for place, request in enumerate(asked.requests):
            await self._check_fits(request.prompt, model, place)
        return asked

    async def _check_fits(self, prompt: Prompt, model: Model, place: int) -> None:
        """None is scored where one is too long, so that the caller can take that one out."""
        most = most_tokens(prompt)
        if most is not None and most <= model.context:
            return
        try:
            num_tokens = len(await self._engine.tokenize(model.id, prompt))
        except NoTokenizer:
            return
        if num_tokens > model.context:
            param = f"answers[{place}].messages"
            message = f"{param} has {num_tokens} tokens, the context of {model.id} holds {model.context}"
            raise BadRequest(message, param=param, code="context_length_exceeded")

    async def _asked(
        self,
        body: GenerationBody,
        variant: Variant,
        prompts: Sequence[Prompt],
        num_top_logprobs: int | None,
        limit: int | None,
    ) -> Asked:
        model = self._catalog.find(variant.model)
        num_choices = body.n or 1
        self._check_choices(num_choices, len(prompts))
        refuse_seed(body, lacks_for(variant, self._engine))
        decoding = decoding_of(body, variant)
        options = body.stream_options or StreamOptions()
        call_id = secrets.token_hex(12)
        sampling = sampling_of(body, model)
        nvext = body.nvext or NvExt()
        requests = [
            GenerationRequest(
                id=f"{call_id}-{place}",
                variant=variant,
                prompt=prompt,
                sampling=sampling,
                stopping=stopping_of(body, limit or await self._default_limit(model, prompt)),
                num_choices=num_choices,
                num_top_logprobs=num_top_logprobs,
                # Acceptance is counted from the trace, also for a caller who does not look at it.
                trace=nvext.trace or variant.decode == "self-speculation",
                decoding=decoding,
                canvas=nvext.canvas and bool(body.stream),
            )
            for place, prompt in enumerate(prompts)
        ]
        return Asked(
            id=call_id,
            created=int(time.time()),
            requests=tuple(requests),
            stream=bool(body.stream),
            include_usage=options.include_usage or options.continuous_usage_stats,
            num_prompt_tokens=await self._count(model, prompts) if options.continuous_usage_stats else None,
            has_limit=limit is not None,
            show_trace=nvext.trace,
        )

    def _check_choices(self, num_choices: int, num_prompts: int) -> None:
        if num_choices > self._max_choices:
            message = f"n must be 1 to {self._max_choices}, not {num_choices}"
            raise BadRequest(message, param="n")
        if num_choices * num_prompts > self._max_choices:
            message = f"prompts times n must be at most {self._max_choices}, not {num_choices * num_prompts}"
            raise BadRequest(message, param="prompt")

    async def _default_limit(self, model: Model, prompt: Prompt) -> int:
        """What the publisher advises, or what the context leaves if that is less."""
        advised = model.sampling.max_tokens
        most = most_tokens(prompt)
        if most is not None and most + advised <= model.context:
            return advised
        try:
            left = model.context - len(await self._engine.tokenize(model.id, prompt))
        except NoTokenizer:
            left = model.context - likely_tokens(prompt)
        return min(advised, max(1, left))

    async def _count(self, model: Model, prompts: Sequence[Prompt]) -> int:
        try:
            return sum([len(await self._engine.tokenize(model.id, prompt)) for prompt in prompts])
        except NoTokenizer as error:
            param = "stream_options.continuous_usage_stats"
            raise BadRequest(f"{param}: {error}", param=param, code="unsupported_field") from error


def _limit(body: ChatBody) -> int | None:
    if body.max_completion_tokens is None:
        return body.max_tokens
    if body.max_tokens not in (None, body.max_completion_tokens):
        message = "max_tokens and max_completion_tokens mean the same and differ; send one"
        raise BadRequest(message, param="max_completion_tokens")
    return body.max_completion_tokens


def _prompts(body: CompletionBody) -> list[Prompt]:
    match body.prompt:
        case str(text):
            return [Text(text=text)]
        case [int(), *_] as token_ids:
            return [TokenIds(token_ids=tuple(token_ids))]  # type: ignore[arg-type]  # one kind a list, as parsed
        case many:
            return [Text(text=p) if isinstance(p, str) else TokenIds(token_ids=tuple(p)) for p in many]  # type: ignore[arg-type]
