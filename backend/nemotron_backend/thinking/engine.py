"""How does an engine of single sizes come to think, with one size, and answer with another?"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from itertools import permutations

from nemotron_backend.catalog import Catalog, UnknownModel
from nemotron_backend.engine import Engine, EngineBusy, EngineStatus, InvalidRequest, UnknownVariant
from nemotron_backend.request import (
    Conversation,
    Decode,
    Delta,
    GenerationRequest,
    Precision,
    Prompt,
    Variant,
)
from nemotron_backend.thinking.choice import Choice
from nemotron_backend.thinking.marks import Marks, read_marks
from nemotron_backend.thinking.plan import Plan
from nemotron_backend.thinking.streams import Streams
from nemotron_backend.thinking.stretch import Clock

Sleep = Callable[[float], Awaitable[None]]


class ThinkingEngine:
    """Another engine, whose models that can think do so apart from their answers.

    Thoughts come as `reasoning`. A request becomes one of the engine below, which goes on into the answer by
    itself, so that its tokens are the same as without this. Only where the size changes, or a budget ends
    the thoughts, does a second request go on from all tokens so far. Stop strings are for the answer alone.
    """

    def __init__(
        self,
        engine: Engine,
        catalog: Catalog,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._clock = clock
        self._sleep = sleep
        self._marks: dict[str, Marks | None] = {}

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        plan = await self._plan(request)
        deltas = self._engine.stream(_answering(request)) if plan is None else self._phases(plan)
        async with aclosing(deltas):
            async for delta in deltas:
                yield delta

    async def tokenize(self, model: str, prompt: Prompt) -> tuple[int, ...]:
        return await self._engine.tokenize(model, prompt)

    async def detokenize(self, model: str, token_ids: tuple[int, ...]) -> str:
        return await self._engine.detokenize(model, token_ids)

    def variants(self) -> tuple[Variant, ...]:
        singles = self._engine.variants()
        pairs = [
            replace(answering, size=f"{thinking.size}+{answering.size}")
            for thinking, answering in permutations(singles, 2)
            if _network(thinking) == _network(answering) and self._can_think(answering.model)
        ]
        return (*singles, *pairs)

    def status(self) -> EngineStatus:
        return self._engine.status()

    async def aclose(self) -> None:
        await self._engine.aclose()

    def _can_think(self, model: str) -> bool:
        try:
            return self._catalog.find(model).reasoning is not None
        except UnknownModel:
            return False

    async def _plan(self, request: GenerationRequest) -> Plan | None:
        """How a request thinks; None where it does not. Raises InvalidRequest, UnknownVariant."""
        variant, prompt = request.variant, request.prompt
        thinking_size, plus, answering_size = variant.size.partition("+")
        if plus and variant not in self.variants():
            raise UnknownVariant(f"no engine here serves {variant}")
        if plus and not isinstance(prompt, Conversation):
            message = (
                f"only a conversation has thoughts apart from the answer; choose one size, not {variant.size}"
            )
            raise InvalidRequest("model", message)
        is_thinking = isinstance(prompt, Conversation) and prompt.is_thinking
        if not is_thinking or not self._can_think(variant.model):
            return None
        marks = await self._marks_of(variant.model)
        if marks is not None:
            other = answering_size or thinking_size
            return Plan(request=request, marks=marks, thinking_size=thinking_size, answering_size=other)
        if plus or request.thinking.budget >= 0:
            message = f"{variant.model} has no token </think>, so its thoughts cannot be told from its answer"
            raise InvalidRequest("model", message)
        return None

    async def _marks_of(self, model: str) -> Marks | None:
        if model not in self._marks:
            self._marks[model] = await read_marks(self._engine, model)
        return self._marks[model]

    async def _phases(self, plan: Plan) -> AsyncGenerator[Delta, None]:
        choices = [Choice(plan, index, self._clock) for index in range(plan.request.num_choices)]
        streams = Streams()
        streams.add(self._engine.stream(plan.first()))
        try:
            async for delta in streams.deltas():
                choice = choices[delta.index]
                yield choice.take(delta)
                if choice.waits:
                    yield choice.hand_over()
                    if not choice.is_full:
                        streams.add(self._answer(plan, delta.index, choice))
        finally:
            await streams.aclose()

    async def _answer(self, plan: Plan, index: int, choice: Choice) -> AsyncGenerator[Delta, None]:
        """The second request of a choice."""
        prompt = await self._engine.tokenize(plan.request.variant.model, plan.request.prompt)
        request = plan.second(index, (*prompt, *choice.token_ids), len(choice.token_ids))
        async with aclosing(self._patiently(request)) as deltas:
            async for delta in deltas:
                yield replace(delta, index=index)

    async def _patiently(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        """A line that is full is no reason to give up an answer that has been thought about."""
        while True:
            async with aclosing(self._engine.stream(request)) as deltas:
                try:
                    async for delta in deltas:
                        yield delta
                except EngineBusy as busy:
                    await self._sleep(busy.retry_after)
                else:
                    return


def _network(variant: Variant) -> tuple[str, Precision, Decode]:
    """What two sizes must share to take turns."""
    return variant.model, variant.precision, variant.decode


def _answering(request: GenerationRequest) -> GenerationRequest:
    """The request of the size that answers, for there is nothing to think."""
    *_, size = request.variant.size.split("+")
    return replace(request, variant=replace(request.variant, size=size))
