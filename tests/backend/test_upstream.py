"""Is what another server says understood, and what it cannot do refused?"""

import json
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from nvidia_dialect import NAME, NvidiaDialect, problem, running
from starlette.responses import JSONResponse, PlainTextResponse, Response

from nemotron_backend.echo import ECHO
from nemotron_backend.engine import (
    ContextTooLong,
    EngineBusy,
    EngineFailed,
    InvalidRequest,
    NoTokenizer,
    UnknownVariant,
)
from nemotron_backend.request import (
    GREEDY,
    CallPiece,
    Conversation,
    Decoding,
    Delta,
    GenerationRequest,
    Message,
    Stopping,
    Text,
    Thinking,
    Tool,
    ToolCall,
    scoring,
)
from nemotron_backend.upstream import HOSTED, NIM, UpstreamEngine, UpstreamModel, UpstreamOptions

_REQUEST = GenerationRequest(
    id="test",
    variant=ECHO,
    prompt=Conversation(messages=(Message(role="user", content="hello"),)),
    sampling=GREEDY,
    stopping=Stopping(max_tokens=32, strings=(), token_ids=(), ignore_eos=False),
    num_choices=1,
    num_top_logprobs=None,
    trace=False,
)
Make = Callable[..., UpstreamEngine]


@pytest.fixture
def dialect() -> NvidiaDialect:
    return NvidiaDialect()


@pytest.fixture
async def make(dialect: NvidiaDialect) -> AsyncGenerator[Make, None]:
    """Makes an engine over the server of this test; keyword arguments are options."""
    engines: list[UpstreamEngine] = []
    async with running(dialect) as url:

        async def at_once(seconds: float) -> None:
            return None

        def engine(**changes: Any) -> UpstreamEngine:
            options = UpstreamOptions(
                name="nvidia",
                url=f"{url}/v1",
                key=dialect.key,
                models=(UpstreamModel(variant=ECHO, name=NAME, thinks=True),),
                status_url=f"{url}/status",
            )
            made = UpstreamEngine(replace(options, **changes), sleep=at_once)
            engines.append(made)
            return made

        yield engine
        for made in engines:
            await made.aclose()


async def answer(engine: UpstreamEngine, request: GenerationRequest = _REQUEST) -> list[Delta]:
    async with aclosing(engine.stream(request)) as deltas:
        return [delta async for delta in deltas]


def said(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def events(*chunks: dict[str, Any]) -> Response:
    text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return Response(text + "data: [DONE]\n\n", media_type="text/event-stream")


def news(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


async def test_a_wrong_key_is_the_operators_matter_and_is_told_to_nobody(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(EngineFailed, match=r"refuses the key .* `upstreams`") as caught:
        await answer(make(key="nvapi-wrong"))
    assert "nvapi" not in str(caught.value) + caplog.text
    assert "nvapi" not in repr(UpstreamOptions(name="x", url="", key="nvapi-wrong", models=()))


async def test_a_key_that_is_said_back_is_blotted_out(make: Make, dialect: NvidiaDialect) -> None:
    dialect.planned.append(problem(400, f"strange request of {dialect.key}"))
    with pytest.raises(InvalidRequest, match=r"strange request of \(the key\)"):
        await answer(make())


async def test_a_model_that_is_not_there_is_told_in_plain_text(make: Make) -> None:
    with pytest.raises(UnknownVariant, match="404 page not found"):
        await answer(make(models=(UpstreamModel(variant=ECHO, name="nvidia/gone"),)))


@pytest.mark.parametrize("num_promises", [1, 3])
async def test_an_answer_that_is_promised_is_waited_for(
    make: Make, dialect: NvidiaDialect, num_promises: int
) -> None:
    dialect.num_promises = num_promises
    assert said(await answer(make())) == "hello"
    assert dialect.num_promises == 0


async def test_a_promise_needs_a_place_to_ask_for_it(make: Make, dialect: NvidiaDialect) -> None:
    dialect.num_promises = 1
    with pytest.raises(EngineFailed, match="`status_url`"):
        await answer(make(status_url=""))


async def test_a_server_that_is_busy_says_when_to_come_back(make: Make, dialect: NvidiaDialect) -> None:
    dialect.planned.append(problem(429, "40 requests a minute", **{"retry-after": "7"}))
    with pytest.raises(EngineBusy, match="Too Many Requests: 40 requests a minute") as caught:
        await answer(make())
    assert caught.value.retry_after == 7


@pytest.mark.parametrize(
    ("response", "kind", "words"),
    [
        (problem(400, "no such thing"), InvalidRequest, "Bad Request: no such thing"),
        (JSONResponse({"error": {"message": "odd", "param": "top_p"}}, 422), InvalidRequest, "odd"),
        (JSONResponse({"object": "error", "message": "flat", "code": 400}, 400), InvalidRequest, "flat"),
        (PlainTextResponse("bad gateway", 502), EngineFailed, r"failed \(502\): bad gateway"),
        (Response(status_code=500), EngineFailed, "gave no reason"),
        (JSONResponse([1, 2]), EngineFailed, "another form"),
        (PlainTextResponse("hello"), EngineFailed, "another form"),
        (events({"choices": 5}), EngineFailed, "another form"),
        (events(news(content="x")), EngineFailed, "broke off"),
        (events(news(content="x"), {"error": {"message": "worker died"}}), EngineFailed, "worker died"),
        (events({"error": {"message": "no", "code": 400}}), InvalidRequest, "no"),
    ],
)
async def test_a_failure_is_understood_in_every_form(
    make: Make, dialect: NvidiaDialect, response: Response, kind: type[Exception], words: str
) -> None:
    dialect.planned.append(response)
    with pytest.raises(kind, match=words):
        await answer(make())


@pytest.mark.parametrize(
    ("words", "num_tokens"),
    [
        ("This model's maximum context length is 64 tokens. However, you requested 90 tokens in all.", 90),
        ("This model's maximum context length is 64 tokens. However, your request has 70 input tokens.", 102),
    ],
)
async def test_a_context_that_is_too_short_is_told_in_numbers(
    make: Make, dialect: NvidiaDialect, words: str, num_tokens: int
) -> None:
    dialect.planned.append(problem(400, words))
    with pytest.raises(ContextTooLong) as caught:
        await answer(make())
    assert (caught.value.num_tokens, caught.value.limit, caught.value.field) == (num_tokens, 64, "messages")


async def test_a_server_that_is_not_there_fails_without_its_address(make: Make) -> None:
    engine = make(url="http://127.0.0.1:1/v1")
    with pytest.raises(EngineFailed, match="connection to nvidia failed") as caught:
        await answer(engine)
    assert "127.0.0.1" not in str(caught.value)
    await engine.look()
    assert engine.status().state == "failed"


async def test_thoughts_calls_and_cost_come_apart(make: Make, dialect: NvidiaDialect) -> None:
    usage = {
        "prompt_tokens": 11,
        "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    first = {"index": 0, "id": "call_9", "function": {"name": "get_weather", "arguments": ""}}
    rest = {"index": 0, "function": {"arguments": '{"city": "Oslo"}'}}
    dialect.planned.append(
        events(
            news(role="assistant", content=""),
            news(reasoning_content="hm"),
            news(reasoning="m"),
            news(content="Let me look."),
            news(tool_calls=[first]),
            news(tool_calls=[rest]),
            news(finish="tool_calls"),
            {"choices": [], "usage": usage},
        )
    )
    *deltas, last = await answer(make())
    assert "".join(delta.reasoning for delta in deltas) == "hmm"
    assert said(deltas) == "Let me look."
    assert [piece for delta in deltas for piece in delta.calls] == [
        CallPiece(index=0, id="call_9", name="get_weather"),
        CallPiece(index=0, arguments='{"city": "Oslo"}'),
    ]
    assert (last.finish, last.notice) == ("stop", "")
    assert last.usage is not None
    told = last.usage
    assert (told.prompt_tokens, told.cached_tokens, told.completion_tokens) == (11, 4, 9)
    assert (told.reasoning_tokens, told.knows_forwards) == (3, False)


async def test_an_answer_in_one_piece_is_taken_too(make: Make, dialect: NvidiaDialect) -> None:
    message = {"role": "assistant", "content": "hi", "reasoning_content": "hm"}
    body = {
        "choices": [{"index": 0, "message": message, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 2, "completion_tokens": 3},
    }
    dialect.planned.append(JSONResponse(body))
    delta, last = await answer(make())
    assert (delta.text, delta.reasoning, last.finish) == ("hi", "hm", "length")


async def test_a_cost_that_is_not_told_is_counted_and_said_to_be(make: Make, dialect: NvidiaDialect) -> None:
    dialect.tells_usage = False
    *_, last = await answer(make())
    assert last.usage is not None
    assert last.usage.completion_tokens == 5
    assert "counted" in last.notice


@pytest.mark.parametrize("offers", [HOSTED, NIM], ids=["hosted", "nim"])
async def test_tokens_are_counted_while_they_come(make: Make, offers: Any) -> None:
    deltas = await answer(make(offers=offers))
    assert sum(delta.num_untold for delta in deltas) == 5


async def test_each_choice_has_a_seed_of_its_own(make: Make, dialect: NvidiaDialect) -> None:
    deltas = await answer(make(), replace(_REQUEST, num_choices=3))
    assert sorted(body["seed"] for body in dialect.bodies) == [0, 1, 2]
    assert sorted(delta.index for delta in deltas if delta.finish) == [0, 1, 2]


async def test_a_seed_goes_only_where_it_is_taken(make: Make, dialect: NvidiaDialect) -> None:
    await answer(make(offers=frozenset()))
    assert "seed" not in dialect.bodies[0]


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("top_k", {"sampling": replace(GREEDY, top_k=5)}),
        ("min_p", {"sampling": replace(GREEDY, min_p=0.1)}),
        ("repetition_penalty", {"sampling": replace(GREEDY, repetition_penalty=1.1)}),
        ("logit_bias", {"sampling": replace(GREEDY, logit_bias=((1, 2.0),))}),
        ("logprobs", {"num_top_logprobs": 0}),
        ("stop_token_ids", {"stopping": replace(_REQUEST.stopping, token_ids=(1,))}),
        ("ignore_eos", {"stopping": replace(_REQUEST.stopping, ignore_eos=True)}),
        ("prompt", {"prompt": Text(text="once")}),
        ("nvext.trace", {"trace": True}),
        ("nvext.canvas", {"canvas": True}),
        ("nvext.block_length", {"decoding": Decoding(block_length=8)}),
        ("nvext.thinking_grace", {"thinking": Thinking(grace=1)}),
    ],
)
async def test_what_nvidias_hosted_api_does_not_take_is_refused_and_listed(
    make: Make, dialect: NvidiaDialect, field: str, changes: dict[str, Any]
) -> None:
    engine = make()
    with pytest.raises(InvalidRequest, match="does not take it") as caught:
        await answer(engine, replace(_REQUEST, **changes))
    assert caught.value.field == field
    assert dialect.bodies == []
    (status,) = engine.status().models
    assert field in {lack.field for lack in status.lacks}


async def test_a_budget_of_thoughts_is_refused_where_it_is_not_taken(make: Make) -> None:
    with pytest.raises(InvalidRequest, match="reasoning_budget"):
        await answer(make(offers=NIM), replace(_REQUEST, thinking=Thinking(budget=9)))


async def test_tokens_are_not_told_where_there_is_no_telling(make: Make) -> None:
    with pytest.raises(NoTokenizer):
        await make().tokenize(ECHO.model, Text(text="x"))


async def test_a_conversation_is_told_whole(make: Make, dialect: NvidiaDialect) -> None:
    call = ToolCall(name="get_weather", arguments='{"city": "Oslo"}', id="call_1")
    prompt = Conversation(
        messages=(
            Message(role="user", content="And in Oslo?"),
            Message(role="assistant", content="", reasoning="look it up", tool_calls=(call,)),
            Message(role="tool", content="rain", call_id="call_1"),
        ),
        tools=(Tool(name="get_weather", description="The weather.", parameters='{"type": "object"}'),),
        is_thinking=False,
        keeps_thoughts=True,
    )
    await answer(make(), replace(_REQUEST, prompt=prompt, thinking=Thinking(budget=9)))
    (body,) = dialect.bodies
    _, asked, result = body["messages"]
    assert asked["reasoning_content"] == "look it up"
    assert asked["tool_calls"][0]["id"] == result["tool_call_id"] == "call_1"
    assert asked["tool_calls"][0]["function"] == {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
    assert body["tools"][0]["function"]["parameters"] == {"type": "object"}
    assert body["chat_template_kwargs"] == {"enable_thinking": False, "truncate_history_thinking": False}
    assert body["reasoning_budget"] == 9


async def test_looking_tells_which_models_are_there(make: Make) -> None:
    gone = UpstreamModel(variant=replace(ECHO, model="echo-thinker"), name="nvidia/gone")
    engine = make(models=(UpstreamModel(variant=ECHO, name=NAME), gone))
    assert engine.status().state == "starting"
    await engine.look()
    here, missing = engine.status().models
    assert (engine.status().state, here.state, missing.state) == ("ready", "ready", "failed")
    assert missing.progress == "nvidia does not list nvidia/gone"


async def test_looking_again_finds_a_server_that_has_come_back(make: Make, dialect: NvidiaDialect) -> None:
    engine = make()
    dialect.planned_lists.append(problem(500, "on its way"))
    await engine.look()
    assert engine.status().state == "failed"
    assert "on its way" in engine.status().progress
    await engine.look()
    assert engine.status().state == "ready"


async def test_closing_the_stream_closes_the_other_servers_too(make: Make, dialect: NvidiaDialect) -> None:
    dialect.delay = 0.01
    async with aclosing(make().stream(_REQUEST)) as deltas:
        await anext(deltas)
        assert dialect.num_running == 1
    while dialect.num_running:
        dialect.freed.clear()
        await dialect.freed.wait()


_ANSWERED = {
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "helpfulness:1.6171875,correctness:-0.5"},
            "logprobs": {
                "content": [{"token": "helpfulness", "logprob": 1.6171875, "bytes": None, "top_logprobs": []}]
            },
            "finish_reason": "length",
        }
    ],
    "usage": {"prompt_tokens": 78, "completion_tokens": 1, "total_tokens": 79},
}


def _judged() -> GenerationRequest:
    said = (Message(role="user", content="hello"), Message(role="assistant", content="Hi."))
    return scoring("test", ECHO, Conversation(messages=said))


async def test_scores_of_a_reward_model_are_read_from_its_content(make: Make, dialect: NvidiaDialect) -> None:
    dialect.planned.append(JSONResponse(_ANSWERED))
    engine = make(models=(UpstreamModel(variant=ECHO, name=NAME, thinks=False),))
    async with aclosing(engine.stream(_judged())) as deltas:
        (delta,) = [delta async for delta in deltas]
    assert {score.name: score.value for score in delta.scores} == {
        "helpfulness": 1.6171875,
        "correctness": -0.5,
    }
    assert delta.usage is not None
    assert (delta.usage.prompt_tokens, delta.usage.completion_tokens) == (78, 1)
    (body,) = dialect.bodies
    assert set(body) == {"model", "messages"}
    assert [message["role"] for message in body["messages"]] == ["user", "assistant"]


async def test_words_in_place_of_scores_are_a_failure(make: Make, dialect: NvidiaDialect) -> None:
    message = {"role": "assistant", "content": "I am well."}
    dialect.planned.append(JSONResponse({"choices": [{"index": 0, "message": message}]}))
    with pytest.raises(EngineFailed, match="no scores"):
        async with aclosing(make().stream(_judged())) as deltas:
            await anext(deltas)
