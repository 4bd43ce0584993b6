"""Does a model think and then answer as it would by itself, with one size or two, in every decode mode?"""

import asyncio
import shutil
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from nemotron_backend.catalog import Catalog, Model, Reasoning, Size
from nemotron_backend.catalog.entry import RecommendedSampling
from nemotron_backend.embedded.core import Core
from nemotron_backend.embedded.messages import Refused, Submit
from nemotron_backend.embedded.options import EmbeddedOptions
from nemotron_backend.embedded.vocabulary import Vocabulary
from nemotron_backend.engine import EngineBusy, EngineStatus, InvalidRequest, ResidentModel, UnknownVariant
from nemotron_backend.model.nemotron_labs_diffusion import open_checkpoint
from nemotron_backend.model.network import Network
from nemotron_backend.request import (
    DECODES,
    Conversation,
    Decode,
    Decoding,
    Delta,
    GenerationRequest,
    Message,
    Prompt,
    Sampling,
    Stopping,
    Text,
    Thinking,
    TokenIds,
    Usage,
    Variant,
)
from nemotron_backend.thinking import ThinkingEngine

_TEXTS = ("<eos>", "\n", "</think>", "<think>", "\n\n", "<mask>", *"abcdefghijklmnop42")
_LINE, _END, _BEGIN, _BLANK, _MASK = 1, 2, 3, 4, 5
_VOCABULARY = Vocabulary(
    pieces=tuple(text.encode() for text in _TEXTS), special=frozenset({0}), ends=frozenset({0})
)
_ALL = Conversation(messages=(Message(role="user", content="abc"),))
_GREEDY = Sampling(
    temperature=0.0,
    top_p=1.0,
    top_k=0,
    min_p=0.0,
    repetition_penalty=1.0,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    # The network never heard of marks, so they are as likely as a test wants them; ends show no text.
    logit_bias=((0, -100.0), (_BEGIN, -100.0), (_MASK, -100.0)),
    seed=3,
)
_NEVER_ENDS = ((_END, -100.0), (_LINE, -100.0), (_BLANK, -100.0))
_STOPPING = Stopping(max_tokens=40, strings=(), token_ids=(), ignore_eos=True)


class CoreEngine:
    """The embedded engine without its process: whoever waits for a delta makes a step."""

    def __init__(self, networks: dict[str, Network], texts: Sequence[str] = _TEXTS) -> None:
        ticks = count()
        self._networks = networks
        self._texts = tuple(texts)
        self._ids = count()
        self._queues: dict[int, deque[Delta]] = {}
        self.core = Core(EmbeddedOptions(), self, {"demo": _VOCABULARY}, lambda: float(next(ticks)))
        self.requests: list[GenerationRequest] = []
        self.num_busy = 0

    resident: tuple[ResidentModel, ...] = ()

    def find(self, variant: Variant) -> Network | None:
        return self._networks[variant.size]

    def failure(self, variant: Variant) -> str | None:
        return None

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        if self.num_busy and isinstance(request.prompt, TokenIds):
            self.num_busy -= 1
            raise EngineBusy("the line is full", retry_after=2.0)
        number, unfinished = next(self._ids), request.num_choices
        queue = self._queues.setdefault(number, deque())
        assert self.core.submit(await self._submit(number, request)) is None
        try:
            while unfinished:
                await asyncio.sleep(0)
                if not queue:
                    self._step()
                    continue
                delta = queue.popleft()
                unfinished -= delta.finish is not None
                yield delta
        finally:
            self.core.abort(number)

    async def _submit(self, number: int, request: GenerationRequest) -> Submit:
        return Submit(
            id=number,
            variant=request.variant,
            token_ids=await self.tokenize("demo", request.prompt),
            sampling=request.sampling,
            stopping=request.stopping,
            num_choices=request.num_choices,
            num_top_logprobs=request.num_top_logprobs,
            trace=request.trace,
            arrived=0.0,
            decoding=request.decoding,
            canvas=request.canvas,
        )

    def _step(self) -> None:
        for event in self.core.step():
            assert not isinstance(event, Refused)
            for number, delta in event.deltas:
                self._queues[number].append(delta)

    async def tokenize(self, model: str, prompt: Prompt) -> tuple[int, ...]:
        match prompt:
            case TokenIds(token_ids=token_ids):
                return token_ids
            case Text(text=text):
                return self._encode(text)
            case Conversation(messages=messages, is_thinking=is_thinking):
                texts = "".join(
                    f"<think>\n{m.reasoning}</think>\n{m.content}" if m.reasoning else m.content
                    for m in messages
                )
                return self._encode(texts + ("<think>\n" if is_thinking else "<think></think>"))

    def _encode(self, text: str) -> tuple[int, ...]:
        ids: list[int] = []
        while text:
            fits = [place for place, piece in enumerate(self._texts) if text.startswith(piece)]
            best = max(fits, key=lambda place: len(self._texts[place]), default=6)
            ids.append(best)
            text = text[len(self._texts[best]) if fits else 1 :]
        return tuple(ids)

    async def detokenize(self, model: str, token_ids: tuple[int, ...]) -> str:
        return "".join(self._texts[token_id] for token_id in token_ids)

    def variants(self) -> tuple[Variant, ...]:
        return tuple(
            Variant(model="demo", size=size, precision="bf16", decode=decode)
            for size in self._networks
            for decode in DECODES
        )

    def status(self) -> EngineStatus:
        raise NotImplementedError

    async def aclose(self) -> None:
        return None


def _catalog() -> Catalog:
    model = Model(
        id="demo",
        name="Demo",
        aliases=(),
        family="local",
        summary="",
        kind="chat",
        architecture="",
        model_type="",
        license="",
        released="",
        sizes=tuple(Size(name=name, total_parameters=0, active_parameters=0) for name in ("large", "small")),
        precisions=("bf16",),
        decodes=DECODES,
        context=512,
        sampling=RecommendedSampling(temperature=0.0, top_p=1.0, max_tokens=40, source=""),
        reasoning=Reasoning(switch="enable_thinking", default=True),
        template="",
        needs="",
        obtain="",
        unverified=(),
    )
    return Catalog([model])


class Bench:
    """A thinking engine over two sizes, with a clock that ticks, and what a request gets from it."""

    def __init__(self, networks: dict[str, Network]) -> None:
        ticks = count()
        self.below = CoreEngine(networks)
        self.slept: list[float] = []
        self.engine = ThinkingEngine(
            self.below, _catalog(), clock=lambda: float(next(ticks)), sleep=self._sleep
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def answer(self, request: GenerationRequest, index: int = 0) -> "Answer":
        async with aclosing(self.engine.stream(request)) as deltas:
            return Answer([delta async for delta in deltas if delta.index == index])

    async def plain(self, request: GenerationRequest) -> "Answer":
        """The same from the engine below, whose model just goes on from its prompt."""
        async with aclosing(self.below.stream(request)) as deltas:
            return Answer([delta async for delta in deltas])


class Answer:
    """All deltas of one choice."""

    def __init__(self, deltas: list[Delta]) -> None:
        assert [delta.usage for delta in deltas[:-1]] == [None] * (len(deltas) - 1)
        assert deltas[-1].usage is not None
        self.deltas = deltas
        self.ids = [token.id for delta in deltas for token in delta.tokens]
        self.text = "".join(delta.text for delta in deltas)
        self.reasoning = "".join(delta.reasoning for delta in deltas)
        self.finish = deltas[-1].finish
        self.usage: Usage = deltas[-1].usage
        self.forwards = [forward for delta in deltas for forward in delta.trace]


@pytest.fixture(scope="session")
def another_network(tri_mode_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Network:
    """A network of the same shape that says other things."""
    folder = tmp_path_factory.mktemp("another")
    shutil.copy(tri_mode_folder / "config.json", folder)
    weights = load_file(tri_mode_folder / "model.safetensors")
    weights["diffusion_head.weight"] = weights["diffusion_head.weight"].roll(7, 0).contiguous()
    save_file(weights, folder / "model.safetensors")
    return open_checkpoint(folder).network("full", "bf16")


@pytest.fixture
def bench(tri_mode: Any, another_network: Network) -> Bench:
    return Bench({"large": tri_mode.network, "small": another_network})


def _request(decode: Decode = "autoregressive", size: str = "large", **changes: Any) -> GenerationRequest:
    request = GenerationRequest(
        id="test",
        variant=Variant(model="demo", size=size, precision="bf16", decode=decode),
        prompt=_ALL,
        sampling=_GREEDY,
        stopping=_STOPPING,
        num_choices=1,
        num_top_logprobs=None,
        trace=False,
        decoding=Decoding(threshold=0.9 if decode == "diffusion" else 0.0),
    )
    return replace(request, **changes)


def _sampled(seed: int, *bias: tuple[int, float]) -> Sampling:
    biases = dict(_GREEDY.logit_bias) | dict(bias)
    return replace(_GREEDY, temperature=1.0, seed=seed, logit_bias=tuple(biases.items()))


def _text(ids: Sequence[int]) -> str:
    return "".join(_TEXTS[token_id] for token_id in ids)


@pytest.mark.parametrize("budget", [-1, 1000])
@pytest.mark.parametrize("decode", DECODES)
async def test_one_size_within_its_budget_says_what_it_says_anyway(
    bench: Bench, decode: Decode, budget: int
) -> None:
    num_ended = 0
    for seed in range(6):
        request = _request(decode, sampling=_sampled(seed, (_END, 4.0)), thinking=Thinking(budget=budget))
        answer, plain = await bench.answer(request), await bench.plain(request)
        assert answer.ids == plain.ids
        assert (answer.finish, answer.usage.forwards) == (plain.finish, plain.usage.forwards)
        assert answer.usage.completion_tokens == plain.usage.completion_tokens
        thought, end, rest = _text(plain.ids).partition("</think>")
        assert (answer.reasoning, answer.text) == (thought.strip("\n"), rest.lstrip("\n"))
        assert answer.usage.reasoning_tokens == (plain.ids.index(_END) + 1 if end else len(plain.ids))
        num_ended += bool(end)
    assert num_ended > 2


@pytest.mark.parametrize("decode", DECODES)
async def test_the_answering_size_reads_prompt_and_thoughts_anew(bench: Bench, decode: Decode) -> None:
    sampling = replace(_GREEDY, logit_bias=(*_GREEDY.logit_bias, (_END, 6.0)))
    pair = _request(decode, "small+large", sampling=sampling, stopping=replace(_STOPPING, max_tokens=80))
    answer = await bench.answer(replace(pair, trace=True))
    thoughts = answer.ids[: answer.usage.reasoning_tokens]
    alone = await bench.plain(replace(pair, variant=replace(pair.variant, size="small")))
    assert thoughts[-1] == _END
    assert thoughts == alone.ids[: len(thoughts)]
    prompt = await bench.below.tokenize("demo", _ALL)
    continued = replace(
        pair,
        variant=replace(pair.variant, size="large"),
        prompt=TokenIds(token_ids=(*prompt, *thoughts, _LINE)),
        stopping=replace(_STOPPING, max_tokens=80 - len(thoughts) - 1),
    )
    assert answer.ids == [*thoughts, _LINE, *(await bench.plain(continued)).ids]
    assert answer.usage.completion_tokens == len(answer.ids) == 80
    assert answer.finish == "length"


@pytest.mark.parametrize("decode", DECODES)
@pytest.mark.parametrize("size", ["large", "small+large"])
async def test_a_trace_goes_on_through_both_phases(bench: Bench, decode: Decode, size: str) -> None:
    request = _request(decode, size, trace=True, canvas=True, thinking=Thinking(budget=5, grace=4))
    sampling = replace(_GREEDY, logit_bias=(*_GREEDY.logit_bias, *_NEVER_ENDS))
    answer = await bench.answer(replace(request, sampling=sampling))
    kept = {
        token.position: token.id
        for forward in answer.forwards
        for token in forward.tokens
        if token.state in ("accepted", "bonus", "revealed") and token.position < len(answer.ids)
    }
    assert [kept[position] for position in range(len(answer.ids))] == answer.ids
    canvases = [delta.canvas.position for delta in answer.deltas if delta.canvas]
    assert canvases == sorted(canvases)
    assert bool(canvases) == (decode != "autoregressive")
    assert answer.usage.forwards == len(answer.forwards) - 1
    assert [forward.kind for forward in answer.forwards].count("prefill") == 2


async def test_a_budget_ends_at_the_next_line(bench: Bench) -> None:
    num_lines = 0
    for seed in range(5):
        sampling = _sampled(seed, (_END, -100.0), (_LINE, 3.0), (_BLANK, -100.0))
        answer = await bench.answer(_request(sampling=sampling, thinking=Thinking(budget=4, grace=500)))
        thoughts = answer.ids[: answer.usage.reasoning_tokens]
        *own, blank, end = thoughts
        assert (blank, end) == (_BLANK, _END)
        assert _LINE not in own[3:-1]
        # Half of the forty tokens less four is the most that grace may take.
        assert own[-1] == _LINE or len(own) == 22
        num_lines += own[-1] == _LINE
    assert num_lines > 2


async def test_without_a_line_the_grace_ends_it(bench: Bench) -> None:
    sampling = replace(_GREEDY, logit_bias=(*_GREEDY.logit_bias, *_NEVER_ENDS))
    answer = await bench.answer(_request(sampling=sampling, thinking=Thinking(budget=4, grace=3)))
    plain = await bench.plain(_request(sampling=sampling))
    assert answer.ids[:7] == plain.ids[:7]
    assert answer.ids[7:10] == [_BLANK, _END, _LINE]
    assert answer.usage.reasoning_tokens == 9
    assert answer.usage.completion_tokens == len(answer.ids) == 40
    assert answer.reasoning == _text(plain.ids[:7])
    assert answer.text == _text(answer.ids[10:]).lstrip("\n")


async def test_a_blank_line_that_was_just_written_is_not_repeated(bench: Bench) -> None:
    bias = ((_END, -100.0), (_LINE, -100.0), (_BLANK, 100.0))
    sampling = replace(_GREEDY, logit_bias=(*_GREEDY.logit_bias, *bias))
    answer = await bench.answer(_request(sampling=sampling, thinking=Thinking(budget=3, grace=9)))
    assert answer.ids[:5] == [_BLANK, _BLANK, _BLANK, _END, _LINE]


async def test_grace_leaves_room_for_an_answer(bench: Bench) -> None:
    sampling = replace(_GREEDY, logit_bias=(*_GREEDY.logit_bias, *_NEVER_ENDS))
    answer = await bench.answer(_request(sampling=sampling, thinking=Thinking(budget=20, grace=500)))
    assert answer.usage.reasoning_tokens == 32
    assert len(answer.text) == 7


@pytest.mark.parametrize("max_tokens", range(6, 12))
async def test_thinking_and_answer_share_the_tokens_that_were_asked(bench: Bench, max_tokens: int) -> None:
    sampling = replace(_GREEDY, logit_bias=(*_GREEDY.logit_bias, *_NEVER_ENDS))
    stopping = replace(_STOPPING, max_tokens=max_tokens)
    for size in ("large", "small+large"):
        request = _request(
            size=size, sampling=sampling, stopping=stopping, thinking=Thinking(budget=6, grace=0)
        )
        answer = await bench.answer(request)
        assert len(answer.ids) == answer.usage.completion_tokens == max_tokens
        assert answer.usage.reasoning_tokens == min(max_tokens, 8)
        assert answer.finish == "length"


@pytest.mark.parametrize("size", ["large", "small+large"])
@pytest.mark.parametrize("decode", DECODES)
async def test_each_choice_is_the_one_of_its_seed(bench: Bench, decode: Decode, size: str) -> None:
    request = _request(decode, size, sampling=_sampled(11, (_END, 3.0)), thinking=Thinking(budget=8, grace=2))
    for index in range(3):
        together = await bench.answer(replace(request, num_choices=3), index)
        alone = await bench.answer(replace(request, sampling=replace(request.sampling, seed=11 + index)))
        assert together.ids == alone.ids
        assert together.reasoning == alone.reasoning


@pytest.mark.parametrize("size", ["large", "small+large"])
async def test_stop_strings_are_for_the_answer_alone(bench: Bench, size: str) -> None:
    num_stopped = 0
    for seed in range(6):
        request = _request(size=size, sampling=_sampled(seed, (_END, 3.0)))
        free = await bench.answer(request)
        string = free.reasoning[:1] or "a"
        stopped = await bench.answer(replace(request, stopping=replace(_STOPPING, strings=(string,))))
        assert stopped.reasoning == free.reasoning
        assert stopped.text == free.text.partition(string)[0]
        num_stopped += stopped.finish == "stop"
    assert num_stopped > 2


async def test_phases_tell_who_made_what(bench: Bench) -> None:
    request = _request(size="small+large", thinking=Thinking(budget=4, grace=0))
    answer = await bench.answer(request)
    thinking, answering = answer.usage.phases
    assert (thinking.kind, thinking.size) == ("thinking", "small")
    assert (answering.kind, answering.size) == ("answer", "large")
    assert thinking.num_tokens == answer.usage.reasoning_tokens
    assert thinking.num_tokens + answering.num_tokens == answer.usage.completion_tokens
    for phase in answer.usage.phases:
        assert 0 < phase.first_token_milliseconds <= phase.milliseconds
    sizes = [delta.size for delta in answer.deltas]
    assert sizes == sorted(sizes, reverse=True)
    assert set(sizes) == {"small", "large"}
    assert {delta.size for delta in (await bench.answer(_request())).deltas} == {""}


async def test_every_token_has_its_logprob(bench: Bench) -> None:
    request = _request(size="small+large", num_top_logprobs=2, thinking=Thinking(budget=4, grace=0))
    answer = await bench.answer(request)
    tokens = [token for delta in answer.deltas for token in delta.tokens]
    assert [len(token.top) for token in tokens] == [2] * 4 + [0] * 3 + [2] * (len(tokens) - 7)
    assert all(token.bytes == _TEXTS[token.id].encode() for token in tokens)


async def test_only_the_answer_may_take_over_a_state(bench: Bench) -> None:
    thinking = Thinking(budget=4, grace=0, handover="state")
    await bench.answer(_request(size="small+large", thinking=thinking))
    assert [request.thinking.handover for request in bench.below.requests] == ["prefill", "state"]


@pytest.mark.parametrize("num_tokens", [2, 12])
async def test_leaving_frees_the_engine_in_either_phase(bench: Bench, num_tokens: int) -> None:
    deltas = bench.engine.stream(_request(size="small+large", thinking=Thinking(budget=5, grace=0)))
    seen = 0
    async with aclosing(deltas):
        async for delta in deltas:
            seen += len(delta.tokens)
            if seen >= num_tokens:
                break
        assert not bench.below.core.is_idle
    assert bench.below.core.is_idle


async def test_a_full_line_only_delays_the_answer(bench: Bench) -> None:
    request = _request(size="small+large", thinking=Thinking(budget=5, grace=0))
    undisturbed = await bench.answer(request)
    bench.below.num_busy = 2
    assert (await bench.answer(request)).ids == undisturbed.ids
    assert bench.slept == [2.0, 2.0]


async def test_without_thinking_the_answering_size_answers(bench: Bench) -> None:
    prompt = replace(_ALL, is_thinking=False)
    answer = await bench.answer(_request(size="small+large", prompt=prompt))
    assert answer.ids == (await bench.plain(_request(size="large", prompt=prompt))).ids
    assert (answer.reasoning, answer.usage.reasoning_tokens, answer.usage.phases) == ("", 0, ())


async def test_every_two_sizes_of_a_model_that_thinks_make_a_pair(bench: Bench) -> None:
    variants = bench.engine.variants()
    assert variants[:6] == bench.below.variants()
    assert {str(variant) for variant in variants[6:]} == {
        f"demo:{pair}:bf16:{decode}" for pair in ("large+small", "small+large") for decode in DECODES
    }
    assert ThinkingEngine(bench.below, Catalog([])).variants() == bench.below.variants()


async def test_a_pair_that_is_not_there_or_has_no_conversation_is_refused(bench: Bench) -> None:
    with pytest.raises(UnknownVariant):
        await bench.answer(_request(size="small+huge"))
    with pytest.raises(InvalidRequest, match="conversation"):
        await bench.answer(_request(size="small+large", prompt=Text(text="abc")))


async def test_a_tokenizer_without_the_mark_just_goes_on(tri_mode: Any) -> None:
    texts = tuple(text if text != "</think>" else "z" for text in _TEXTS)
    below = CoreEngine({"large": tri_mode.network, "small": tri_mode.network}, texts)
    engine = ThinkingEngine(below, _catalog())
    async with aclosing(engine.stream(_request())) as deltas:
        assert [delta async for delta in deltas][-1].usage is not None
    with pytest.raises(InvalidRequest, match="</think>"):
        await anext(engine.stream(_request(thinking=Thinking(budget=5))))
