"""What does an answer tell of thoughts, phases and canvases, whole and as a stream?"""

import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
import pytest

from nemotron_backend.catalog import Catalog
from nemotron_backend.echo import ECHO, EchoEngine
from nemotron_backend.request import (
    Canvas,
    CanvasToken,
    Conversation,
    Delta,
    GenerationRequest,
    Usage,
)
from nemotron_backend.thinking import ThinkingEngine

PATH = "/v1/chat/completions"


def ask(text: str = "one\ntwo</think>\nthree", **fields: Any) -> dict[str, Any]:
    return {"model": "echo-thinker", "messages": [{"role": "user", "content": text}]} | fields


@pytest.fixture
async def thinker(serve: Callable[..., Any]) -> httpx.AsyncClient:
    """A client of a server that echoes and thinks."""
    client = await serve(ThinkingEngine(EchoEngine(), Catalog.read()))
    assert isinstance(client, httpx.AsyncClient)
    return client


async def chunks(api: httpx.AsyncClient, body: dict[str, Any]) -> list[dict[str, Any]]:
    text = (await api.post(PATH, json=body | {"stream": True})).text
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


def joined(stream: list[dict[str, Any]], field: str) -> str:
    return "".join(choice["delta"].get(field, "") for chunk in stream for choice in chunk["choices"])


async def test_thoughts_stand_apart(thinker: httpx.AsyncClient) -> None:
    answer = (await thinker.post(PATH, json=ask())).json()
    message = answer["choices"][0]["message"]
    assert message["reasoning_content"] == message["reasoning"] == "one\ntwo"
    assert message["content"] == "three"
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == 9
    assert answer["usage"]["completion_tokens"] == 15
    stream = await chunks(thinker, ask())
    assert joined(stream, "reasoning_content") == joined(stream, "reasoning") == "one\ntwo"
    assert joined(stream, "content") == "three"


async def test_thinking_is_left_out_when_switched_off(thinker: httpx.AsyncClient) -> None:
    for fields in ({"chat_template_kwargs": {"enable_thinking": False}}, {"reasoning_effort": "none"}):
        answer = (await thinker.post(PATH, json=ask(**fields))).json()
        assert answer["choices"][0]["message"] == {"role": "assistant", "content": "three", "refusal": None}
        assert "phases" not in answer["nvext"]["metrics"]
        assert answer["nvext"]["recipe"]["thinking"]["enable_thinking"] is False


async def test_a_budget_cuts_thoughts_at_a_line(thinker: httpx.AsyncClient) -> None:
    answer = (await thinker.post(PATH, json=ask(reasoning_budget=2))).json()
    assert answer["choices"][0]["message"]["reasoning_content"] == "one"
    assert answer["choices"][0]["message"]["content"] == "three"


async def test_two_sizes_are_told_apart(thinker: httpx.AsyncClient) -> None:
    body = ask(nvext={"size": "large", "thinking_size": "small"})
    response = await thinker.post(PATH, json=body)
    answer = response.json()
    assert answer["model"] == "echo-thinker:small+large:bf16:autoregressive"
    assert response.headers["x-nemo-size"] == "small+large"
    thinking, answering = answer["nvext"]["metrics"]["phases"]
    assert (thinking["kind"], thinking["size"], thinking["tokens"]) == ("thinking", "small", 9)
    assert (answering["kind"], answering["size"], answering["tokens"]) == ("answer", "large", 5)
    assert thinking["index"] == 0
    assert 0 <= thinking["ttft_ms"] <= thinking["ms"]
    sizes = {
        field: {chunk["nvext"]["size"] for chunk in await chunks(thinker, body) if joined([chunk], field)}
        for field in ("reasoning", "content")
    }
    assert sizes == {"reasoning": {"small"}, "content": {"large"}}
    assert "size" not in (await chunks(thinker, ask()))[1].get("nvext", {})


async def test_the_recipe_gives_the_same_answer_again(thinker: httpx.AsyncClient) -> None:
    body = ask(nvext={"size": "large", "thinking_size": "small", "max_thinking_tokens": 2}, max_tokens=40)
    first = (await thinker.post(PATH, json=body)).json()
    recipe = first["nvext"]["recipe"]
    thinking = recipe["thinking"]
    again = ask(
        model=recipe["variant"],
        max_tokens=recipe["max_tokens"],
        seed=recipe["seed"],
        chat_template_kwargs={
            "enable_thinking": thinking["enable_thinking"],
            "truncate_history_thinking": thinking["truncate_history_thinking"],
        },
        reasoning_budget=thinking["reasoning_budget"],
        nvext={"thinking_grace": thinking["thinking_grace"], "handover": thinking["handover"]},
    )
    second = (await thinker.post(PATH, json=again)).json()
    assert second["choices"] == first["choices"]
    assert second["nvext"]["recipe"] == recipe
    assert thinking == {
        "enable_thinking": True,
        "truncate_history_thinking": True,
        "reasoning_budget": 2,
        "thinking_grace": 1,
        "handover": "prefill",
        "effort": "",
    }


async def test_a_recipe_without_a_switch_has_no_thinking(thinker: httpx.AsyncClient) -> None:
    answer = (await thinker.post(PATH, json=ask(model="echo"))).json()
    assert "thinking" not in answer["nvext"]["recipe"]


async def test_tokens_are_counted_as_the_model_would_read_them(thinker: httpx.AsyncClient) -> None:
    counts = []
    for arguments in ({}, {"enable_thinking": True}, {"enable_thinking": False}):
        body = {"model": "echo-thinker", "messages": [{"role": "user", "content": "hi"}]}
        answer = await thinker.post("/tokenize", json=body | {"chat_template_kwargs": arguments})
        counts.append(answer.json()["tokens"])
    assert counts[0] == counts[1] != counts[2]


async def test_a_canvas_is_a_chunk_without_choices(
    serve: Callable[..., Any], scripted: Callable[..., Any], usage: Usage
) -> None:
    canvas = Canvas(
        position=3,
        tokens=(CanvasToken(bytes=b"a", state="revealed"), CanvasToken(bytes=b"", state="masked")),
    )

    async def script(request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        yield Delta(index=0, text="x", canvas=canvas if request.canvas else None)
        yield Delta(index=0, finish="stop", usage=usage, notice="no adapter")

    engine = scripted(script)
    api = await serve(engine)
    body = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
    stream = await chunks(api, body | {"nvext": {"canvas": True}})
    told = [chunk for chunk in stream if "canvas" in chunk.get("nvext", {})]
    tokens = [{"text": "a", "state": "revealed"}, {"text": "", "state": "masked"}]
    assert [chunk["nvext"]["canvas"] for chunk in told] == [{"index": 0, "position": 3, "tokens": tokens}]
    assert told[0]["choices"] == []
    assert stream[-1]["nvext"]["notice"] == "no adapter"
    assert not [chunk for chunk in await chunks(api, body) if "canvas" in chunk.get("nvext", {})]
    whole = (await api.post(PATH, json=body | {"nvext": {"canvas": True}})).json()
    assert "canvas" not in whole["nvext"]
    assert [request.canvas for request in engine.requests] == [True, False, False]
    assert engine.variants() == (ECHO,)


async def test_switches_of_the_template_reach_the_engine(
    serve: Callable[..., Any], scripted: Callable[..., Any], usage: Usage
) -> None:
    async def script(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
        yield Delta(index=0, text="ok", finish="stop", usage=usage)

    engine = scripted(script, variants=EchoEngine().variants())
    api = await serve(engine)
    await api.post(PATH, json=ask(chat_template_kwargs={"truncate_history_thinking": False}))
    prompt = engine.requests[0].prompt
    assert isinstance(prompt, Conversation)
    assert (prompt.is_thinking, prompt.keeps_thoughts) == (True, True)
