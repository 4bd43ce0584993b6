"""Does a conversation go on as OpenAI's clients expect?"""

import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
import pytest

from nemotron_backend.echo import EchoEngine
from nemotron_backend.request import (
    Conversation,
    Delta,
    Forward,
    GenerationRequest,
    Token,
    TokenChoice,
    TracedToken,
    Usage,
    Variant,
)

PATH = "/v1/chat/completions"
SPECULATIVE = Variant(model="echo", size="full", precision="bf16", decode="self-speculation")


def ask(text: str = "hello", **fields: Any) -> dict[str, Any]:
    return {"model": "echo", "messages": [{"role": "user", "content": text}], **fields}


async def events(api: httpx.AsyncClient, body: dict[str, Any]) -> list[Any]:
    response = await api.post(PATH, json={**body, "stream": True})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    *frames, last, rest = response.text.split("\n\n")
    assert (last, rest) == ("data: [DONE]", "")
    return [json.loads(frame.removeprefix("data: ")) for frame in frames]


async def test_an_answer_carries_its_text_variant_usage_and_recipe(api: httpx.AsyncClient) -> None:
    response = await api.post(PATH, json=ask(seed=7, max_tokens=50))
    answer = response.json()
    assert answer["object"] == "chat.completion"
    assert answer["id"].startswith("chatcmpl-")
    assert answer["model"] == "echo:full:bf16:autoregressive"
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "hello", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert answer["usage"]["total_tokens"] == 10
    assert answer["nvext"]["recipe"]["seed"] == 7
    assert answer["nvext"]["recipe"]["max_tokens"] == 50
    assert answer["nvext"]["recipe"]["variant"] == answer["model"]
    assert answer["nvext"]["recipe"]["versions"]["engine"] == "echo"
    assert answer["nvext"]["metrics"]["forwards"] == 4
    assert answer["nvext"]["metrics"]["tokens_per_forward"] == 1.0
    assert "trace" not in answer["nvext"]


async def test_the_effective_knobs_are_in_the_headers(api: httpx.AsyncClient) -> None:
    for stream in (False, True):
        headers = (await api.post(PATH, json=ask(stream=stream))).headers
        assert headers["x-nemo-size"] == "full"
        assert headers["x-nemo-precision"] == "bf16"
        assert headers["x-nemo-decode-mode"] == "autoregressive"


async def test_a_stream_opens_with_the_role_and_ends_with_the_reason(api: httpx.AsyncClient) -> None:
    chunks = await events(api, ask("hey"))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"content": "h"},
        {"content": "e"},
        {"content": "y"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * 4 + ["stop"]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert all("usage" not in chunk for chunk in chunks)
    assert chunks[-1]["nvext"]["metrics"]["forwards"] == 2


async def test_usage_comes_in_a_last_chunk_without_choices(api: httpx.AsyncClient) -> None:
    *chunks, last = await events(api, ask("hey", stream_options={"include_usage": True}))
    assert last["choices"] == []
    assert last["usage"]["prompt_tokens"] == 3
    assert last["usage"]["completion_tokens"] == 3
    assert last["nvext"]["recipe"]["variant"] == "echo:full:bf16:autoregressive"
    assert all("nvext" not in chunk for chunk in chunks)


async def test_continuous_usage_grows_with_the_text(api: httpx.AsyncClient) -> None:
    chunks = await events(api, ask("hey", stream_options={"continuous_usage_stats": True}))
    assert [chunk["usage"]["completion_tokens"] for chunk in chunks] == [1, 1, 2, 3, 3, 3]
    assert {chunk["usage"]["prompt_tokens"] for chunk in chunks} == {3}


async def test_a_stream_is_not_buffered_on_its_way(api: httpx.AsyncClient) -> None:
    headers = (await api.post(PATH, json=ask(stream=True))).headers
    assert headers["x-accel-buffering"] == "no"
    assert headers["cache-control"] == "no-cache"


async def test_n_answers_are_numbered_and_the_prompt_counts_once(api: httpx.AsyncClient) -> None:
    answer = (await api.post(PATH, json=ask("hey", n=3))).json()
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert answer["usage"]["prompt_tokens"] == 3
    assert answer["usage"]["completion_tokens"] == 9


async def test_only_the_last_of_n_streams_carries_the_evidence(api: httpx.AsyncClient) -> None:
    chunks = await events(api, ask("a", n=2))
    assert [chunk["choices"][0]["index"] for chunk in chunks] == [0, 0, 0, 1, 1, 1]
    assert ["nvext" in chunk for chunk in chunks] == [False] * 5 + [True]


async def test_a_stop_string_ends_the_answer(api: httpx.AsyncClient) -> None:
    answer = (await api.post(PATH, json=ask("one two", stop=[" "]))).json()
    assert answer["choices"][0]["message"]["content"] == "one"


async def test_max_completion_tokens_limits_the_answer(api: httpx.AsyncClient) -> None:
    answer = (await api.post(PATH, json=ask("hello", max_completion_tokens=2))).json()
    assert answer["choices"][0]["message"]["content"] == "he"
    assert answer["choices"][0]["finish_reason"] == "length"


async def test_the_default_limit_is_what_the_context_leaves(api: httpx.AsyncClient) -> None:
    answer = (await api.post(PATH, json=ask("a" * 4000))).json()
    assert answer["nvext"]["recipe"]["max_tokens"] == 96


async def test_the_trace_comes_when_asked(api: httpx.AsyncClient) -> None:
    body = ask("hi", nvext={"trace": True})
    answer = (await api.post(PATH, json=body)).json()
    kinds = [forward["kind"] for forward in answer["nvext"]["trace"]]
    assert kinds == ["prefill", "decode"]
    streamed = [chunk["nvext"]["trace"] for chunk in await events(api, body) if "nvext" in chunk]
    assert [forward for trace in streamed for forward in trace] == answer["nvext"]["trace"]


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "echo:bf16"},
        {"model": "echo:autoregressive:full"},
        {"nvext": {"size": "full", "precision": "bf16", "decode": "autoregressive"}},
        {"nvext": {"elastic_size": "full", "decode_mode": "autoregressive"}},
        {"nvext": {"thinking_size": "full"}},
        {"model": "echo:full:bf16:autoregressive"},
    ],
    ids=str,
)
async def test_every_spelling_of_a_variant_finds_it(api: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    answer = (await api.post(PATH, json=ask() | fields)).json()
    assert answer["model"] == "echo:full:bf16:autoregressive"


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": []},
        {"tool_choice": "none"},
        {"response_format": {"type": "text"}},
        {"user": "someone", "metadata": {"a": "b"}, "store": False, "a_field_of_tomorrow": [1, {"x": 2}]},
        {"chat_template_kwargs": {"enable_thinking": False}},
        {"reasoning_effort": "none"},
        {"logit_bias": {"5": -100}, "top_k": -1, "min_p": 0.1},
        {"stop": None, "n": None, "temperature": None, "stream_options": None},
    ],
    ids=str,
)
async def test_what_changes_nothing_is_accepted(api: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    assert (await api.post(PATH, json=ask() | fields)).status_code == 200


async def test_messages_reach_the_engine_as_they_were_meant(
    serve: Callable[..., Any], scripted: Callable[..., Any], usage: Usage
) -> None:
    async def script(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
        yield Delta(index=0, text="ok", finish="stop", usage=usage)

    engine = scripted(script)
    api = await serve(engine)
    messages = [
        {"role": "developer", "content": "be short"},
        {"role": "assistant", "content": "4", "reasoning": "two and two"},
        {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
    ]
    await api.post(PATH, json={"model": "echo", "messages": messages})
    prompt = engine.requests[0].prompt
    assert isinstance(prompt, Conversation)
    assert [(m.role, m.content, m.reasoning) for m in prompt.messages] == [
        ("system", "be short", ""),
        ("assistant", "4", "two and two"),
        ("user", "one\ntwo", ""),
    ]


async def test_thoughts_come_under_both_names(
    serve: Callable[..., Any], scripted: Callable[..., Any], usage: Usage
) -> None:
    async def script(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
        yield Delta(index=0, reasoning="hm")
        yield Delta(index=0, text="yes")
        yield Delta(index=0, finish="stop", usage=usage)

    api = await serve(scripted(script))
    answer = (await api.post(PATH, json=ask())).json()
    message = answer["choices"][0]["message"]
    assert message == {
        "role": "assistant",
        "content": "yes",
        "refusal": None,
        "reasoning_content": "hm",
        "reasoning": "hm",
    }
    assert answer["usage"]["completion_tokens_details"] == {"reasoning_tokens": 3}
    assert answer["usage"]["prompt_tokens_details"] == {"cached_tokens": 2}
    chunks = await events(api, ask())
    assert chunks[1]["choices"][0]["delta"] == {"reasoning_content": "hm", "reasoning": "hm"}


async def test_log_probabilities_are_spelled_as_openai_spells_them(
    serve: Callable[..., Any], scripted: Callable[..., Any], usage: Usage
) -> None:
    likely = TokenChoice(id=1, bytes=b"\xc3", logprob=-0.5)
    impossible = TokenChoice(id=2, bytes=b"no", logprob=float("-inf"))
    token = Token(id=1, bytes=b"\xc3", logprob=-0.5, top=(likely, impossible))

    async def script(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
        yield Delta(index=0, tokens=(token,))
        yield Delta(index=0, text="é", tokens=(token,))
        yield Delta(index=0, finish="stop", usage=usage)

    engine = scripted(script)
    api = await serve(engine)
    body = ask(logprobs=True, top_logprobs=2)
    answer = (await api.post(PATH, json=body)).json()
    expected = {
        "token": "\ufffd",
        "logprob": -0.5,
        "bytes": [195],
        "top_logprobs": [
            {"token": "\ufffd", "logprob": -0.5, "bytes": [195]},
            {"token": "no", "logprob": -9999.0, "bytes": [110, 111]},
        ],
    }
    assert answer["choices"][0]["logprobs"] == {"content": [expected, expected], "refusal": None}
    assert engine.requests[0].num_top_logprobs == 2
    chunks = await events(api, body)
    assert [chunk["choices"][0]["logprobs"] for chunk in chunks[1:3]] == [
        {"content": [expected], "refusal": None},
        {"content": [expected], "refusal": None},
    ]


async def test_speculation_is_reported_where_benchmark_tools_look(
    serve: Callable[..., Any], scripted: Callable[..., Any], usage: Usage
) -> None:
    def verify(*states: Any) -> Forward:
        tokens = tuple(TracedToken(position=i, id=i, state=state) for i, state in enumerate(states))
        return Forward(kind="verify", milliseconds=1.0, tokens=tokens)

    async def script(request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        assert request.trace
        yield Delta(index=0, text="a", trace=(verify("accepted", "accepted", "rejected"),))
        yield Delta(index=0, text="b", trace=(verify("accepted", "accepted", "accepted", "bonus"),))
        yield Delta(index=0, finish="stop", usage=usage)

    api = await serve(scripted(script, variants=(SPECULATIVE,)))
    answer = (await api.post(PATH, json=ask())).json()
    assert answer["metrics"]["speculative_decoding"] == {
        "acceptance_histogram": [0, 0, 1, 1],
        "num_spec_steps": 2,
        "mean_acceptance_length": 3.5,
        "draft_acceptance_rate": 0.8333,
        "num_accepted_draft_tokens": 5,
        "num_draft_tokens": 6,
        "num_spec_tokens": 3,
        "per_step_accepted": [2, 3],
        "per_step_drafted": [3, 3],
    }
    assert "trace" not in answer["nvext"]
    assert (await events(api, ask()))[-1]["metrics"] == answer["metrics"]


async def test_plain_decoding_reports_no_speculation(api: httpx.AsyncClient) -> None:
    assert "metrics" not in (await api.post(PATH, json=ask())).json()


async def test_advised_sampling_fills_what_is_left_open(serve: Callable[..., Any]) -> None:
    api = await serve(EchoEngine())
    recipe = (await api.post(PATH, json=ask(top_p=0.5))).json()["nvext"]["recipe"]
    assert recipe["sampling"]["temperature"] == 0.0
    assert recipe["sampling"]["top_p"] == 0.5
