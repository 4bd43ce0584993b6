"""What does every engine keep to that scores answers?"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio

from nemotron_backend.echo import ECHO, REWARD, EchoEngine
from nemotron_backend.embedded.engine import EmbeddedEngine
from nemotron_backend.embedded.options import EmbeddedOptions, ModelOptions
from nemotron_backend.engine import ContextTooLong, Engine, InvalidRequest
from nemotron_backend.factory import RoutedEngine
from nemotron_backend.request import (
    Conversation,
    Delta,
    GenerationRequest,
    Message,
    Stopping,
    Variant,
    scoring,
)
from nemotron_backend.rewards import ATTRIBUTES

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Judge:
    """An engine under test, and a variant of it that scores."""

    engine: Engine
    variant: Variant

    def request(self, answer: str = "Paris.", variant: Variant | None = None) -> GenerationRequest:
        question = Message(role="user", content="What is the capital of France?")
        messages = (question, Message(role="assistant", content=answer))
        return scoring("test", variant or self.variant, Conversation(messages=messages))

    async def answer(self, request: GenerationRequest) -> list[Delta]:
        async with aclosing(self.engine.stream(request)) as deltas:
            return [delta async for delta in deltas]

    async def scores(self, answer: str) -> list[float]:
        (delta,) = await self.answer(self.request(answer))
        return [score.value for score in delta.scores]


@pytest_asyncio.fixture(params=["echo", "embedded", "routed"], scope="module", loop_scope="module")
async def judge(request: pytest.FixtureRequest, tiny_reward_checkpoint: Path) -> AsyncGenerator[Judge, None]:
    if request.param == "echo":
        yield Judge(EchoEngine(), REWARD)
        return
    model = ModelOptions(model="tiny-reward", checkpoint=str(tiny_reward_checkpoint), is_reward=True)
    embedded = EmbeddedEngine(EmbeddedOptions(models=(model,), num_threads=1, prefill_chunk=16))
    embedded.start()
    while embedded.status().state == "starting":
        await embedded.changed()
    assert embedded.status().state == "ready", embedded.status().progress
    engine = embedded if request.param == "embedded" else RoutedEngine([EchoEngine(), embedded])
    yield Judge(engine, embedded.variants()[0])
    await engine.aclose()


async def test_scores_come_all_at_once_under_their_names(judge: Judge) -> None:
    (delta,) = await judge.answer(judge.request())
    assert tuple(score.name for score in delta.scores) == ATTRIBUTES
    assert (delta.finish, delta.text, delta.tokens) == ("stop", "", ())


async def test_a_prompt_is_read_and_no_token_made(judge: Judge) -> None:
    request = judge.request()
    (delta,) = await judge.answer(request)
    assert delta.usage is not None
    assert delta.usage.prompt_tokens == len(await judge.engine.tokenize(judge.variant.model, request.prompt))
    assert delta.usage.completion_tokens == 0
    assert 0 <= delta.usage.queue_milliseconds <= delta.usage.total_milliseconds


async def test_scores_together_are_scores_alone(judge: Judge) -> None:
    answers = ["Paris.", "It is Rome!", "I do not know. " * 6, "x", ""]
    alone = [await judge.scores(answer) for answer in answers]
    together = await asyncio.gather(*(judge.scores(answer) for answer in answers * 5))
    for place, scores in enumerate(together):
        assert scores == pytest.approx(alone[place % len(answers)], abs=1e-4)
    assert len({tuple(scores) for scores in alone}) == len(answers)


async def test_words_of_a_reward_model_are_refused(judge: Judge) -> None:
    stopping = Stopping(max_tokens=5, strings=(), token_ids=(), ignore_eos=False)
    with pytest.raises(InvalidRequest) as caught:
        await judge.answer(replace(judge.request(), wish="text", stopping=stopping))
    assert caught.value.field == "model"


async def test_an_answer_over_the_context_is_refused_with_both_numbers(judge: Judge) -> None:
    request = judge.request("word " * 2000)
    num_prompt = len(await judge.engine.tokenize(judge.variant.model, request.prompt))
    with pytest.raises(ContextTooLong) as caught:
        await judge.answer(request)
    assert caught.value.num_tokens == num_prompt > caught.value.limit
    assert caught.value.field == "messages"


async def test_a_reader_who_leaves_frees_the_engine(judge: Judge) -> None:
    reading = asyncio.create_task(judge.answer(judge.request("long " * 20)))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert await judge.scores("Paris.")


async def test_scores_of_a_language_model_are_refused() -> None:
    judge = Judge(EchoEngine(), ECHO)
    with pytest.raises(InvalidRequest) as caught:
        await judge.answer(judge.request())
    assert caught.value.field == "model"
