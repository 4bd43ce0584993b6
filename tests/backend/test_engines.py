"""What does every engine keep to?"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from nvidia_dialect import NAME, NvidiaDialect, running

from nemotron_backend.echo import ECHO, EchoEngine
from nemotron_backend.embedded.engine import EmbeddedEngine
from nemotron_backend.embedded.options import EmbeddedOptions, ModelOptions
from nemotron_backend.engine import ContextTooLong, Engine, InvalidRequest, UnknownVariant
from nemotron_backend.factory import RoutedEngine
from nemotron_backend.request import (
    Conversation,
    Delta,
    GenerationRequest,
    Message,
    Prompt,
    Sampling,
    Stopping,
    Text,
    TokenIds,
    Variant,
)
from nemotron_backend.upstream import NIM, UpstreamEngine, UpstreamModel, UpstreamOptions

pytestmark = pytest.mark.asyncio(loop_scope="module")

_GREEDY = Sampling(
    temperature=0.0,
    top_p=1.0,
    top_k=0,
    min_p=0.0,
    repetition_penalty=1.0,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    # Marks that stand for no text are left out, so that text and tokens can be compared.
    logit_bias=((0, -1000.0), (1, -1000.0)),
    seed=7,
)
_WARM = replace(_GREEDY, temperature=1.0)
_QUESTION = "What is a déjà vu? 🦊🦊 Say it in one sentence, please."


@dataclass(frozen=True)
class Subject:
    """An engine under test, a variant of it, and how to wait until its status is settled.

    One that does not see inside its model cannot trace it, and tells tokens only with log-probabilities.
    """

    engine: Engine
    variant: Variant
    settled: Callable[[], Awaitable[None]]
    sees_inside: bool = True

    def request(self, text: str = _QUESTION, **changes: object) -> GenerationRequest:
        prompt = Conversation(messages=(Message(role="user", content=text),))
        request = GenerationRequest(
            id="test",
            variant=self.variant,
            prompt=prompt,
            sampling=_GREEDY,
            stopping=Stopping(max_tokens=32, strings=(), token_ids=(), ignore_eos=True),
            num_choices=1,
            num_top_logprobs=None if self.sees_inside else 0,
            trace=False,
        )
        return replace(request, **changes)  # type: ignore[arg-type]

    async def answer(self, request: GenerationRequest) -> list[Delta]:
        async with aclosing(self.engine.stream(request)) as deltas:
            return [delta async for delta in deltas]


async def _echo() -> AsyncGenerator[Subject, None]:
    async def settled() -> None:
        return None

    yield Subject(EchoEngine(), ECHO, settled)


def _only(checkpoint: Path) -> tuple[ModelOptions]:
    return (ModelOptions(checkpoint=str(checkpoint)),)


async def _embedded(checkpoint: Path) -> AsyncGenerator[Subject, None]:
    engine = EmbeddedEngine(EmbeddedOptions(models=_only(checkpoint), num_threads=1, prefill_chunk=16))
    engine.start()
    yield await _ready(engine, engine)
    await engine.aclose()


async def _routed(checkpoint: Path) -> AsyncGenerator[Subject, None]:
    embedded = EmbeddedEngine(EmbeddedOptions(models=_only(checkpoint), num_threads=1))
    embedded.start()
    engine = RoutedEngine([EchoEngine(), embedded])
    yield await _ready(embedded, engine)
    await engine.aclose()


async def _ready(embedded: EmbeddedEngine, engine: Engine) -> Subject:
    while embedded.status().state == "starting":
        await embedded.changed()
    assert embedded.status().state == "ready", embedded.status().progress

    async def settled() -> None:
        while embedded.status().num_running:
            await embedded.changed()

    return Subject(engine, embedded.variants()[0], settled)


async def _upstream() -> AsyncGenerator[Subject, None]:
    dialect = NvidiaDialect()

    async def settled() -> None:
        while dialect.num_running:
            dialect.freed.clear()
            await dialect.freed.wait()

    async with running(dialect) as url:
        model = UpstreamModel(variant=ECHO, name=NAME)
        options = UpstreamOptions(name="nim", url=f"{url}/v1", key=dialect.key, models=(model,), offers=NIM)
        engine = UpstreamEngine(options)
        await engine.look()
        yield Subject(engine, ECHO, settled, sees_inside=False)
        await engine.aclose()


@pytest_asyncio.fixture(
    params=["echo", "embedded", "routed", "upstream"], scope="module", loop_scope="module"
)
async def subject(request: pytest.FixtureRequest, tiny_checkpoint: Path) -> AsyncGenerator[Subject, None]:
    match request.param:
        case "echo":
            subjects = _echo()
        case "embedded":
            subjects = _embedded(tiny_checkpoint)
        case "upstream":
            subjects = _upstream()
        case _:
            subjects = _routed(tiny_checkpoint)
    async for subject in subjects:
        yield subject


def _text(deltas: list[Delta], index: int = 0) -> str:
    return "".join(delta.text for delta in deltas if delta.index == index)


def _tokens(deltas: list[Delta], index: int = 0) -> list[tuple[int, bytes]]:
    """The bytes as well, because an id may be unknown."""
    return [(t.id, t.bytes) for delta in deltas if delta.index == index for t in delta.tokens]


async def test_only_the_last_delta_carries_finish_and_usage(subject: Subject) -> None:
    *others, last = await subject.answer(subject.request())
    assert others
    assert last.finish is not None
    assert last.usage is not None
    assert all(delta.finish is None and delta.usage is None for delta in others)


async def test_usage_counts_tokens_and_its_times_are_in_order(subject: Subject) -> None:
    request = subject.request()
    deltas = await subject.answer(request)
    usage = deltas[-1].usage
    assert usage is not None
    assert usage.completion_tokens == len(_tokens(deltas))
    assert usage.prompt_tokens == len(await subject.engine.tokenize(subject.variant.model, request.prompt))
    assert 0 <= usage.queue_milliseconds <= usage.first_token_milliseconds <= usage.total_milliseconds


async def test_text_is_what_the_tokens_bytes_spell(subject: Subject) -> None:
    deltas = await subject.answer(subject.request(sampling=_WARM))
    spelt = b"".join(token.bytes for delta in deltas for token in delta.tokens).decode(errors="replace")
    # An answer that ends inside a character ends before it.
    assert _text(deltas) in (spelt, spelt.removesuffix("\ufffd"))


async def test_the_answer_ends_at_max_tokens(subject: Subject) -> None:
    stopping = Stopping(max_tokens=5, strings=(), token_ids=(), ignore_eos=True)
    deltas = await subject.answer(subject.request(stopping=stopping))
    assert len(_tokens(deltas)) == 5
    assert deltas[-1].finish == "length"


async def test_closing_the_stream_frees_the_engine(subject: Subject) -> None:
    async with aclosing(subject.engine.stream(subject.request())) as deltas:
        await anext(deltas)
    await subject.settled()
    assert subject.engine.status().num_running == 0
    assert (await subject.answer(subject.request()))[-1].finish is not None


async def test_cancelling_the_reader_frees_the_engine(subject: Subject) -> None:
    begun = asyncio.Event()

    async def read() -> None:
        async with aclosing(subject.engine.stream(subject.request())) as deltas:
            async for _ in deltas:
                begun.set()
                await asyncio.Event().wait()

    reader = asyncio.create_task(read())
    await begun.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    await subject.settled()
    assert subject.engine.status().num_running == 0


async def test_answers_together_equal_answers_alone(subject: Subject) -> None:
    requests = [
        subject.request(f"{_QUESTION[: 6 * number]} {number}", sampling=replace(sampling, seed=number))
        for number in range(5)
        for sampling in (_GREEDY, _WARM)
    ]
    alone = [_tokens(await subject.answer(request)) for request in requests]
    together = await asyncio.gather(*(subject.answer(request) for request in requests))
    assert [_tokens(deltas) for deltas in together] == alone


async def test_a_prompt_and_answer_over_the_context_are_refused_with_both_numbers(subject: Subject) -> None:
    request = subject.request("word " * 3000)
    with pytest.raises(ContextTooLong) as caught:
        await subject.answer(request)
    num_prompt = len(await subject.engine.tokenize(subject.variant.model, request.prompt))
    assert caught.value.num_tokens == num_prompt + request.stopping.max_tokens
    assert caught.value.limit < caught.value.num_tokens
    assert str(caught.value.limit) in str(caught.value)
    assert str(caught.value.num_tokens) in str(caught.value)
    assert caught.value.field == "messages"


async def test_an_unknown_variant_is_refused(subject: Subject) -> None:
    with pytest.raises(UnknownVariant):
        await subject.answer(subject.request(variant=replace(subject.variant, size="7b")))
    with pytest.raises(UnknownVariant):
        await subject.engine.tokenize("no-such-model", Text(text="x"))


async def test_the_same_seed_gives_the_same_tokens(subject: Subject) -> None:
    first, second = [await subject.answer(subject.request(sampling=_WARM)) for _ in range(2)]
    assert _tokens(first) == _tokens(second)
    assert _tokens(first)


async def test_each_choice_is_the_answer_to_its_own_seed(subject: Subject) -> None:
    together = await subject.answer(subject.request(sampling=_WARM, num_choices=3))
    for index in range(3):
        alone = await subject.answer(subject.request(sampling=replace(_WARM, seed=_WARM.seed + index)))
        assert _tokens(together, index) == _tokens(alone)
    assert sorted(delta.index for delta in together if delta.finish is not None) == [0, 1, 2]


async def test_a_stop_string_ends_the_answer_before_it(subject: Subject) -> None:
    whole = _text(await subject.answer(subject.request(sampling=_WARM)))
    string = whole[len(whole) // 2 :][:3]
    stopping = Stopping(max_tokens=32, strings=("\0never", string), token_ids=(), ignore_eos=True)
    deltas = await subject.answer(subject.request(sampling=_WARM, stopping=stopping))
    assert _text(deltas) == whole[: whole.index(string)]
    assert deltas[-1].finish == "stop"


async def test_logprobs_are_logarithms_and_the_likeliest_come_first(subject: Subject) -> None:
    deltas = await subject.answer(subject.request(num_top_logprobs=3))
    tokens = [token for delta in deltas for token in delta.tokens]
    assert tokens
    for token in tokens:
        assert token.logprob <= 0
        logprobs = [choice.logprob for choice in token.top]
        assert logprobs == sorted(logprobs, reverse=True)


@pytest.mark.parametrize(
    "prompt",
    [Text(text=""), TokenIds(token_ids=()), Conversation(messages=(Message(role="user", content=""),))],
    ids=["text", "tokens", "message"],
)
async def test_an_empty_prompt_is_answered(subject: Subject, prompt: Prompt) -> None:
    deltas = await subject.answer(subject.request(prompt=prompt))
    assert deltas[-1].finish is not None


async def test_no_delta_ends_inside_a_character(subject: Subject) -> None:
    """Whatever is cut apart over two deltas would show as a replacement that the whole does not have."""
    deltas = await subject.answer(subject.request("🦊é漢" * 8, sampling=_WARM))
    spelt = b"".join(token.bytes for delta in deltas for token in delta.tokens).decode(errors="replace")
    assert _text(deltas).count("\ufffd") <= spelt.count("\ufffd")
    for delta in deltas:
        assert delta.text.encode().decode() == delta.text


async def test_text_comes_back_from_its_tokens(subject: Subject) -> None:
    model = subject.variant.model
    token_ids = await subject.engine.tokenize(model, Text(text=_QUESTION))
    assert await subject.engine.detokenize(model, token_ids) == _QUESTION


@pytest.mark.parametrize("token_id", [-1, 10**9])
async def test_a_token_outside_the_vocabulary_is_refused(subject: Subject, token_id: int) -> None:
    with pytest.raises(InvalidRequest):
        await subject.engine.detokenize(subject.variant.model, (token_id,))
    with pytest.raises(InvalidRequest):
        await subject.answer(subject.request(prompt=TokenIds(token_ids=(token_id,))))


async def test_forwards_are_recorded_only_when_asked(subject: Subject) -> None:
    silent = await subject.answer(subject.request())
    assert not any(delta.trace for delta in silent)
    if not subject.sees_inside:
        with pytest.raises(InvalidRequest, match=r"nvext\.trace"):
            await subject.answer(subject.request(trace=True))
        assert silent[-1].usage is not None
        assert not silent[-1].usage.knows_forwards
        return
    traced = await subject.answer(subject.request(trace=True))
    forwards = [forward for delta in traced for forward in delta.trace]
    usage = traced[-1].usage
    assert usage is not None
    assert sum(forward.kind != "prefill" for forward in forwards) == usage.forwards
    assert [token.id for forward in forwards for token in forward.tokens] == [
        token_id for token_id, _ in _tokens(traced)
    ]


async def test_an_engine_serves_the_variants_that_it_names(subject: Subject) -> None:
    assert subject.variant in subject.engine.variants()
    assert subject.engine.status().state == "ready"
