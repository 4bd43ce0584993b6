"""Does the real small model answer as it should, whatever else the engine does?"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from nemotron_backend.embedded.engine import EmbeddedEngine
from nemotron_backend.embedded.options import EmbeddedOptions, ModelOptions
from nemotron_backend.request import (
    GREEDY,
    Conversation,
    Delta,
    GenerationRequest,
    Message,
    Stopping,
    Usage,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

_WARM = replace(GREEDY, temperature=0.8, top_p=0.95)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(smollm2_checkpoint: Path) -> AsyncGenerator[EmbeddedEngine, None]:
    engine = EmbeddedEngine(EmbeddedOptions(models=(ModelOptions(checkpoint=str(smollm2_checkpoint)),)))
    engine.start()
    while engine.status().state == "starting":
        await engine.changed()
    assert engine.status().state == "ready", engine.status().progress
    yield engine
    await engine.aclose()


def _request(engine: EmbeddedEngine, *turns: str, **changes: object) -> GenerationRequest:
    """Turns are the user's and the assistant's, one after the other."""
    messages = (
        Message(role="assistant" if number % 2 else "user", content=turn) for number, turn in enumerate(turns)
    )
    request = GenerationRequest(
        id="test",
        variant=engine.variants()[0],
        prompt=Conversation(messages=tuple(messages)),
        sampling=GREEDY,
        stopping=Stopping(max_tokens=24, strings=(), token_ids=(), ignore_eos=False),
        num_choices=1,
        num_top_logprobs=None,
        trace=False,
    )
    return replace(request, **changes)  # type: ignore[arg-type]


async def _answer(engine: EmbeddedEngine, request: GenerationRequest) -> list[Delta]:
    async with aclosing(engine.stream(request)) as deltas:
        return [delta async for delta in deltas]


def _text(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def _ids(deltas: list[Delta]) -> list[int]:
    return [token.id for delta in deltas for token in delta.tokens]


def _usage(deltas: list[Delta]) -> Usage:
    usage = deltas[-1].usage
    assert usage is not None
    return usage


async def test_every_precision_knows_the_capital_of_france(engine: EmbeddedEngine) -> None:
    for variant in engine.variants():
        deltas = await _answer(engine, _request(engine, "What is the capital of France?", variant=variant))
        assert "Paris" in _text(deltas), str(variant)


async def test_an_answer_ends_with_the_models_own_end_of_turn(engine: EmbeddedEngine) -> None:
    deltas = await _answer(engine, _request(engine, "What is the capital of France?"))
    assert deltas[-1].finish == "stop"
    assert "<|im_end|>" not in _text(deltas)


async def test_tokens_are_the_same_alone_and_among_others_that_come_and_go(engine: EmbeddedEngine) -> None:
    requests = [
        _request(
            engine, f"Tell me {number} facts about the {thing}.", sampling=replace(sampling, seed=number)
        )
        for number, thing in enumerate(["sea", "moon", "fox"], start=2)
        for sampling in (GREEDY, _WARM)
    ]
    alone = [_ids(await _answer(engine, request)) for request in requests]
    passing = engine.stream(_request(engine, "long " * 300, sampling=_WARM))
    leave = asyncio.create_task(anext(passing))
    together = await asyncio.gather(*(_answer(engine, request) for request in reversed(requests)))
    await leave
    await passing.aclose()
    assert [_ids(deltas) for deltas in reversed(together)] == alone


async def test_a_chat_reuses_its_turns_and_says_the_same_as_without(
    engine: EmbeddedEngine, smollm2_checkpoint: Path
) -> None:
    question = "Which animal is the largest on land?"
    first = await _answer(engine, _request(engine, question))
    turns = (question, _text(first), "And in the sea?")
    reused = await _answer(engine, _request(engine, *turns))
    assert _usage(reused).cached_tokens > _usage(first).prompt_tokens
    fresh = EmbeddedEngine(EmbeddedOptions(models=(ModelOptions(checkpoint=str(smollm2_checkpoint)),)))
    fresh.start()
    while fresh.status().state == "starting":
        await fresh.changed()
    computed = await _answer(fresh, _request(fresh, *turns))
    await fresh.aclose()
    assert _usage(computed).cached_tokens == 0
    assert _ids(computed) == _ids(reused)
