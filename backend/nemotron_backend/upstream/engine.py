"""How does another server answer in the place of an engine?"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from nemotron_backend.engine import (
    EngineError,
    EngineState,
    EngineStatus,
    InvalidRequest,
    ModelStatus,
    NoTokenizer,
    UnknownVariant,
)
from nemotron_backend.request import Conversation, Delta, GenerationRequest, Prompt, Variant
from nemotron_backend.thinking.streams import Streams
from nemotron_backend.upstream.answer import Answer
from nemotron_backend.upstream.body import body_of, prompt_of
from nemotron_backend.upstream.connection import Connection, Sleep
from nemotron_backend.upstream.limits import check, lacks_of
from nemotron_backend.upstream.options import UpstreamModel, UpstreamOptions
from nemotron_backend.upstream.scores import judgement

# Seconds between looks at a server that is not there, and at one that is.
_SOON, _LATER = 30.0, 300.0


class UpstreamEngine:
    """Serves what another server does. `start` looks whether that is there; requests do not wait for it."""

    def __init__(self, options: UpstreamOptions, *, sleep: Sleep = asyncio.sleep) -> None:
        self._options = options
        self._connection = Connection(options, sleep=sleep)
        self._sleep = sleep
        self._models = {model.variant: model for model in options.models}
        self._state: EngineState = "starting"
        self._progress = "looking whether it is there"
        self._listed: frozenset[str] | None = None
        self._num_running = 0
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look; needs a running event loop."""
        self._watching = asyncio.create_task(self._watch())

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        if request.variant not in self._models:
            raise UnknownVariant(f"{self._options.name} does not serve {request.variant}")
        check(request, self._options)
        streams = Streams()
        self._num_running += 1
        try:
            if request.wish == "scores":
                yield await self._judge(request)
                return
            for index in range(request.num_choices):
                streams.add(self._choice(request, index))
            async for delta in streams.deltas():
                yield delta
        finally:
            self._num_running -= 1
            await streams.aclose()

    async def tokenize(self, model: str, prompt: Prompt) -> tuple[int, ...]:
        known = self._teller(model)
        return await self._connection.tokenize({"model": known.name} | prompt_of(prompt, known))

    async def detokenize(self, model: str, token_ids: tuple[int, ...]) -> str:
        known = self._teller(model)
        if any(token_id < 0 for token_id in token_ids):
            raise InvalidRequest("tokens", "a token id is outside the vocabulary: it is below 0")
        return await self._connection.detokenize({"model": known.name, "tokens": list(token_ids)})

    def variants(self) -> tuple[Variant, ...]:
        return tuple(self._models)

    def status(self) -> EngineStatus:
        return EngineStatus(
            name=self._options.name,
            state=self._state,
            progress=self._progress,
            num_running=self._num_running,
            num_waiting=0,
            cache_used_bytes=0,
            cache_limit_bytes=0,
            resident=(),
            models=tuple(self._status_of(model) for model in self._options.models),
        )

    async def look(self) -> None:
        """Ask the server which models it has, and remember how that went."""
        try:
            self._listed = await self._connection.models()
        except EngineError as error:
            self._state, self._progress = "failed", str(error)
        else:
            self._state, self._progress = "ready", "ready"

    async def aclose(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._connection.aclose()

    async def _watch(self) -> None:
        """Look until all is well, and again later, for it may not stay so."""
        while True:
            await self.look()
            await self._sleep(_LATER if self._state == "ready" else _SOON)

    async def _choice(self, request: GenerationRequest, index: int) -> AsyncGenerator[Delta, None]:
        """One choice, which is a request of its own, since its seed is."""
        sampling = replace(request.sampling, seed=request.sampling.seed + index)
        body = body_of(replace(request, sampling=sampling), self._models[request.variant], self._options)
        path = "/chat/completions" if isinstance(request.prompt, Conversation) else "/completions"
        answer = Answer()
        async with aclosing(self._connection.chunks(path, body, request)) as chunks:
            async for chunk in chunks:
                delta = answer.take(chunk)
                if delta is not None:
                    yield replace(delta, index=index)
        yield replace(answer.end(), index=index)

    async def _judge(self, request: GenerationRequest) -> Delta:
        """Scores, which no server streams."""
        model, started = self._models[request.variant], time.perf_counter()
        body = {"model": model.name} | prompt_of(request.prompt, model)
        async with aclosing(self._connection.chunks("/chat/completions", body, request)) as chunks:
            heard = [chunk async for chunk in chunks]
        return judgement(heard, 1000 * (time.perf_counter() - started))

    def _status_of(self, model: UpstreamModel) -> ModelStatus:
        state, progress = self._state, self._progress
        if state == "ready" and self._listed is not None and model.name not in self._listed:
            state, progress = "failed", f"{self._options.name} does not list {model.name}"
        return ModelStatus(
            model=model.variant.model,
            state=state,
            progress=progress,
            engine=self._options.name,
            lacks=lacks_of(self._options),
        )

    def _teller(self, model: str) -> UpstreamModel:
        """A model whose tokens the server can tell. Raises UnknownVariant, NoTokenizer."""
        known = next((m for variant, m in self._models.items() if variant.model == model), None)
        if known is None:
            raise UnknownVariant(f"{self._options.name} does not serve {model}")
        if "tokenize" not in self._options.offers:
            message = f"{self._options.name}, which answers for {model}, does not tell its tokens"
            raise NoTokenizer("model", message)
        return known
