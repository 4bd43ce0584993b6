"""Do models answer that another server has, like those of one's own?"""

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from nvidia_dialect import NAME, NvidiaDialect, running
from starlette.responses import Response

from nemotron_app.accounts import Misconfigured
from nemotron_app.engines import open_engine
from nemotron_app.settings import BadSetting, Settings, read_settings
from nemotron_app.upstreams import upstream_options
from nemotron_backend.catalog import Catalog
from nemotron_backend.engine import Engine

CHAT = "/v1/chat/completions"
MODEL = "nemotron-3-nano-30b-a3b"
VARIANT = f"{MODEL}:full:bf16:autoregressive"
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 32}


@pytest.fixture
def dialect() -> NvidiaDialect:
    return NvidiaDialect()


def entry(**changes: Any) -> dict[str, Any]:
    return {"model": MODEL, "name": NAME, "precision": "bf16"} | changes


def server(url: str, **changes: Any) -> dict[str, Any]:
    own = {"name": "nvidia", "kind": "hosted", "url": f"{url}/v1", "key": "nvapi-right", "models": [entry()]}
    return own | changes


@pytest.fixture
async def opened(dialect: NvidiaDialect) -> AsyncGenerator[Any, None]:
    """Opens the engine of settings that name the server of this test."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(running(dialect))

        async def start(engine: str = "upstream", **changes: Any) -> Engine:
            settings = read_settings({"engine": engine, "upstreams": [server(url, **changes)]}, None)
            made = await open_engine(settings)
            stack.push_async_callback(made.aclose)
            return made

        yield start


async def test_a_model_of_another_server_answers_and_says_whose_it_is(serve: Any, opened: Any) -> None:
    api: httpx.AsyncClient = await serve(await opened())
    answer = (await api.post(CHAT, json=BODY)).json()
    assert answer["choices"][0]["message"]["content"] == "hello"
    assert answer["model"] == VARIANT
    assert answer["usage"]["total_tokens"] == 10
    assert "forwards" not in answer["nvext"]["metrics"]
    model = (await api.get(f"/v1/models/{MODEL}")).json()
    assert (model["engine"], model["variants"]) == ("nvidia", [VARIANT])
    lacks = {lack["knob"]: lack["reason"] for lack in model["lacks"]}
    assert lacks["nvext.trace"] == "nvidia, the server that answers for this model, does not take it"
    assert "top_k" in lacks
    assert "seed" not in lacks


async def test_other_servers_answer_beside_ones_own(serve: Any, opened: Any) -> None:
    api: httpx.AsyncClient = await serve(await opened("echo"))
    for model, engine in (("echo", "echo"), (MODEL, "nvidia")):
        answer = (await api.post(CHAT, json=BODY | {"model": model})).json()
        assert answer["choices"][0]["message"]["content"] == "hello"
        assert (await api.get(f"/v1/models/{model}")).json()["engine"] == engine


@pytest.mark.parametrize(
    ("param", "fields"),
    [
        ("top_k", {"top_k": 5}),
        ("logprobs", {"logprobs": True}),
        ("nvext.trace", {"nvext": {"trace": True}}),
        ("nvext.precision", {"nvext": {"precision": "fp8"}}),
        ("nvext.decode", {"nvext": {"decode": "diffusion"}}),
        (
            "stream_options.continuous_usage_stats",
            {"stream": True, "stream_options": {"continuous_usage_stats": True}},
        ),
    ],
)
async def test_a_knob_that_cannot_be_honoured_is_named(
    serve: Any, opened: Any, param: str, fields: dict[str, Any]
) -> None:
    api: httpx.AsyncClient = await serve(await opened())
    refused = await api.post(CHAT, json=BODY | fields)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)


async def test_a_seed_is_refused_only_where_it_is_asked_for(serve: Any, opened: Any) -> None:
    api: httpx.AsyncClient = await serve(await opened(offers=[]))
    assert (await api.post(CHAT, json=BODY)).status_code == 200
    refused = await api.post(CHAT, json=BODY | {"seed": 0})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "seed")


async def test_a_seed_is_taken_where_ones_own_engine_has_the_variant(serve: Any, opened: Any) -> None:
    api: httpx.AsyncClient = await serve(await opened("echo", offers=[], models=[entry(model="echo")]))
    answer = await api.post(CHAT, json=BODY | {"model": "echo", "seed": 0})
    assert answer.json()["nvext"]["metrics"]["forwards"] == 4


async def test_texts_and_tokens_need_a_server_that_takes_them(serve: Any, opened: Any) -> None:
    api: httpx.AsyncClient = await serve(await opened())
    text = {"model": MODEL, "prompt": "once", "max_tokens": 8}
    assert (await api.post("/v1/completions", json=text)).json()["error"]["param"] == "prompt"
    assert (await api.post("/tokenize", json=text)).json()["error"]["param"] == "model"


async def test_calls_that_another_server_tells_are_passed_on(
    serve: Any, opened: Any, dialect: NvidiaDialect
) -> None:
    pieces = [
        {"index": 0, "id": "call_9", "function": {"name": "get_weather", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"city": "Oslo"}'}},
    ]
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"tool_calls": [piece]}, "finish_reason": None}]}
        for piece in pieces
    ]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    told = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    dialect.planned.append(Response(told, media_type="text/event-stream"))
    api: httpx.AsyncClient = await serve(await opened())
    tool = {"type": "function", "function": {"name": "get_weather"}}
    (choice,) = (await api.post(CHAT, json=BODY | {"tools": [tool]})).json()["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert (call["id"], call["function"]["arguments"]) == ("call_9", '{"city": "Oslo"}')
    assert choice["finish_reason"] == "tool_calls"


async def test_a_prompt_is_charged_as_the_other_server_counts_it(serve_members: Any, opened: Any) -> None:
    members = await serve_members(await opened())
    ada = await members.key()
    assert (await members.api.post(CHAT, json=BODY, headers=ada)).status_code == 200
    (row,) = await members.rows()
    assert (row["variant"], row["prompt_tokens"], row["completion_tokens"]) == (VARIANT, 5, 5)


def test_an_upstream_alone_must_be_named() -> None:
    with pytest.raises(Misconfigured, match="needs `upstreams`"):
        upstream_options(Settings(engine="upstream"), Catalog.read())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "gpt-9"}, r"upstreams\.0\.models\.0\.model: no model is called 'gpt-9'"),
        ({"size": "12b"}, r"models\.0\.size: .* has no size '12b'; possible: full"),
        ({"model": "echo", "precision": "fp8"}, r"models\.0\.precision: echo has no precision 'fp8'"),
    ],
)
def test_what_the_catalog_does_not_know_is_refused_at_the_start(changes: dict[str, Any], words: str) -> None:
    settings = Settings(upstreams=[server("http://x", models=[entry(**changes)])])
    with pytest.raises(Misconfigured, match=words):
        upstream_options(settings, Catalog.read())


@pytest.mark.parametrize("url", ["ftp://x/v1", "http://key@x/v1", "http://x", "http://x/v1?key=1"])
def test_a_bad_address_is_refused_without_a_word_of_the_key(url: str) -> None:
    with pytest.raises(BadSetting, match="upstreams") as caught:
        read_settings({"upstreams": [server("http://x") | {"url": url}]}, None)
    assert "nvapi" not in str(caught.value)


def test_a_file_names_other_servers_and_no_print_tells_their_keys(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(
        '[[upstreams]]\nname = "nim"\nkind = "nim"\nurl = "http://10.0.0.7:8000/v1"\nkey = "nvapi-secret"\n'
        f'models = [{{ model = "{MODEL}", name = "{NAME}", precision = "fp8" }}]\n'
    )
    settings = read_settings({}, file)
    (options,) = upstream_options(settings, Catalog.read())
    assert (options.key, options.status_url) == ("nvapi-secret", "")
    assert str(options.models[0].variant) == f"{MODEL}:full:fp8:autoregressive"
    assert "nvapi" not in repr(settings) + repr(options)
