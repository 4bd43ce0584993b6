"""Does a program that scores many answers wait when it is told to?"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from nemotron_app.score_client import CannotScore, ScoreClient
from nemotron_backend.echo import REWARD
from nemotron_backend.engine import EngineBusy, EngineFailed
from nemotron_backend.request import Delta, GenerationRequest, Prompt, Score, Usage

ANSWER = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]


async def test_a_busy_server_is_asked_again_after_as_long_as_it_says(
    serve: Callable[..., Any], scripted: Callable[..., Any], usage: Usage
) -> None:
    refusals = iter([2.0, 3.0])
    waits: list[float] = []

    async def script(request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        if (seconds := next(refusals, None)) is not None:
            raise EngineBusy("busy", retry_after=seconds)
        yield Delta(index=0, scores=(Score(name="reward", value=1.5),), finish="stop", usage=usage)

    api = await serve(scripted(script, variants=(REWARD,)))
    with ScoreClient(f"{api.base_url}/v1", "none", "echo-reward", sleep=waits.append) as client:
        found = await asyncio.to_thread(client.score, [ANSWER])
    assert found == [{"scores": {"reward": 1.5}, "reward": 1.5}]
    assert waits == [2.0, 3.0]


async def test_a_server_that_breaks_off_is_no_answer(
    serve: Callable[..., Any], scripted: Callable[..., Any], usage: Usage
) -> None:
    told = asyncio.Event()

    async def script(request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        if request.id.endswith("-1"):
            await told.wait()
            raise EngineFailed("the engine broke")
        yield Delta(index=0, scores=(Score(name="reward", value=1.5),), finish="stop", usage=usage)
        told.set()

    api = await serve(scripted(script, variants=(REWARD,)))
    with (
        ScoreClient(f"{api.base_url}/v1", "none", "echo-reward") as client,
        pytest.raises(CannotScore, match="broke"),
    ):
        await asyncio.to_thread(client.score, [ANSWER, ANSWER])


async def test_what_was_scored_before_the_server_had_no_room_is_kept(
    serve: Callable[..., Any], scripted: Callable[..., Any], usage: Usage
) -> None:
    told = asyncio.Event()
    asked: list[Prompt] = []
    waits: list[float] = []

    async def script(request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        asked.append(request.prompt)
        if len(asked) == 2:
            await told.wait()
            raise EngineBusy("full", retry_after=1.0)
        yield Delta(index=0, scores=(Score(name="reward", value=1.5),), finish="stop", usage=usage)
        told.set()

    api = await serve(scripted(script, variants=(REWARD,)))
    with ScoreClient(f"{api.base_url}/v1", "none", "echo-reward", sleep=waits.append) as client:
        found = await asyncio.to_thread(client.score, [ANSWER, ANSWER])
    assert [line["reward"] for line in found] == [1.5, 1.5]
    assert (len(asked), waits) == (3, [1.0])
