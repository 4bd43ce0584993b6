"""Is each model of the family asked for what it was taught, in its own way?"""

import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
import pytest

from nemotron_backend.catalog import Catalog, Model
from nemotron_backend.request import Conversation, Delta, GenerationRequest, Usage, Variant

MODELS = [model for model in Catalog.read().models if model.kind != "reward"]
BASES = [model.id for model in MODELS if model.kind == "completion"]
MINI, LLAMA = "nemotron-mini-4b-instruct", "llama-3.1-nemotron-70b-instruct"
CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
CALL = '{"name": "weather", "arguments": {"city": "Oslo"}}'
SAID = {MINI: ["On", "e moment.\n<tool", f"call> {CALL} </too", "lcall>"], LLAMA: [CALL[:9], CALL[9:]]}


def variant(model: Model) -> Variant:
    return Variant(model=model.id, size=model.sizes[0].name, precision="bf16", decode="autoregressive")


@pytest.fixture
def engine(scripted: Callable[..., Any], usage: Usage) -> Any:
    """Serves the whole catalog, and says what each model has to say."""

    async def script(request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        for text in SAID.get(request.variant.model, ["once"]):
            yield Delta(index=0, text=text)
        yield Delta(index=0, finish="stop", usage=usage)

    return scripted(script, variants=tuple(variant(model) for model in MODELS))


@pytest.fixture
async def api(serve: Any, engine: Any) -> httpx.AsyncClient:
    client: httpx.AsyncClient = await serve(engine)
    return client


def chat(model: str, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Rain?"}]
    return {"model": model, "messages": messages, "max_tokens": 90, **fields}


@pytest.mark.parametrize("model", BASES)
async def test_a_base_model_continues_texts_and_says_where(api: httpx.AsyncClient, model: str) -> None:
    refused = await api.post(CHAT, json=chat(model))
    error = refused.json()["error"]
    assert (refused.status_code, error["param"], error["code"]) == (400, "model", "unsupported_endpoint")
    assert model in error["message"]
    assert COMPLETIONS in error["message"]
    answer = await api.post(COMPLETIONS, json={"model": model, "prompt": "once upon"})
    assert answer.json()["choices"][0]["text"] == "once"


async def test_a_mark_that_begins_the_next_turn_ends_an_answer(api: httpx.AsyncClient, engine: Any) -> None:
    await api.post(CHAT, json=chat(MINI, stop="now"))
    await api.post(COMPLETIONS, json={"model": MINI, "prompt": "Rain?", "stop": "now"})
    await api.post(CHAT, json=chat(LLAMA))
    strings = [request.stopping.strings for request in engine.requests]
    assert strings == [("now", "<extra_id_1>"), ("now",), ()]


@pytest.mark.parametrize(("model", "content"), [(MINI, "One moment."), (LLAMA, None)])
async def test_calls_are_heard_in_each_model_s_way_of_writing_them(
    api: httpx.AsyncClient, model: str, content: str | None
) -> None:
    tools = [{"type": "function", "function": {"name": "weather"}}]
    whole = (await api.post(CHAT, json=chat(model, tools=tools))).json()["choices"][0]
    (called,) = whole["message"]["tool_calls"]
    assert called["function"] == {"name": "weather", "arguments": '{"city": "Oslo"}'}
    assert (whole["message"]["content"], whole["finish_reason"]) == (content, "tool_calls")
    streamed = await api.post(CHAT, json=chat(model, tools=tools, stream=True))
    frames = [line.removeprefix("data: ") for line in streamed.text.splitlines() if "choices" in line]
    choices = [choice for frame in frames for choice in json.loads(frame)["choices"]]
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == (content or "")
    (news,) = [call for choice in choices for call in choice["delta"].get("tool_calls", [])]
    assert news["function"] == called["function"]
    assert choices[-1]["finish_reason"] == "tool_calls"


async def test_a_budget_is_also_a_hint(api: httpx.AsyncClient, engine: Any) -> None:
    nano = "nemotron-3-nano-30b-a3b"
    for fields in ({"reasoning_budget": 64}, {}, {"reasoning_effort": "none", "reasoning_budget": 64}):
        await api.post(CHAT, json=chat(nano, **fields))
    prompts = [request.prompt for request in engine.requests]
    assert [prompt.budget for prompt in prompts if isinstance(prompt, Conversation)] == [64, -1, -1]
