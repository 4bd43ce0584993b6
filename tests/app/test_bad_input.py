"""Is every bad request answered in OpenAI's envelope, and the next good one served?"""

import json
from typing import Any

import httpx
import pytest

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}
GOOD = {"model": "echo", "messages": [{"role": "user", "content": "still here"}]}


async def refused(api: httpx.AsyncClient, content: bytes, status: int = 400) -> dict[str, Any]:
    """The error object of a refusal, after checking its envelope and that the server goes on."""
    response = await api.post(CHAT, content=content, headers=JSON)
    assert response.status_code == status, response.text
    body = response.json()
    assert body["status"] == status
    assert body["detail"] == body["error"]["message"]
    assert body["title"]
    assert body["requestId"] == response.headers["x-request-id"]
    after = await api.post(CHAT, json=GOOD)
    assert after.json()["choices"][0]["message"]["content"] == "still here"
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def message(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "hi"} | fields]}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        (message(role="wizard"), "messages[0].role"),
        (message(role=None), "messages[0].role"),
        (message(content=5), "messages[0].content"),
        (message(content=None), "messages[0].content"),
        (message(content=[{"type": "image_url", "image_url": {"url": "x"}}]), "messages[0].content[0].type"),
        (message(content=[{"type": "input_audio"}]), "messages[0].content[0].type"),
        (message(content=[{"type": "text"}]), "messages[0].content[0].text"),
        (message(content=[{"type": "text", "text": 1}]), "messages[0].content[0].text"),
        (message(role="assistant", tool_calls=[{"id": "1"}]), "messages[0].tool_calls[0].function"),
        (message(role="assistant", tool_calls=[CALL]), "messages[0].tool_calls"),
        (message(role="tool", tool_call_id="1"), "messages[0].role"),
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"model": "m" * 257}, "model"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"max_tokens": 1 << 40}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"max_tokens": 4, "max_completion_tokens": 5}, "max_completion_tokens"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"top_k": -2}, "top_k"),
        ({"min_p": 1.5}, "min_p"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"frequency_penalty": -3}, "frequency_penalty"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"logit_bias": {"5": 101}}, "logit_bias.5"),
        ({"logit_bias": {"five": 1}}, "logit_bias.five"),
        ({"logit_bias": {str(i): 1 for i in range(1025)}}, "logit_bias"),
        ({"seed": -1}, "seed"),
        ({"seed": 1 << 60}, "seed"),
        ({"n": 0}, "n"),
        ({"n": 17}, "n"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"stop": ""}, "stop"),
        ({"stop": ["x" * 257]}, "stop[0]"),
        ({"stop": 5}, "stop"),
        ({"stop_token_ids": [-1]}, "stop_token_ids[0]"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"nvext": {"trace": "yes"}}, "nvext.trace"),
        ({"nvext": []}, "nvext"),
        ({"nvext": {"size": "full", "elastic_size": "12b"}}, "nvext.elastic_size"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_wrong_field_is_named(api: httpx.AsyncClient, fields: dict[str, Any], param: str) -> None:
    error = await refused(api, json.dumps(GOOD | fields).encode())
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert param.rpartition(".")[2].partition("[")[0] in error["message"]


@pytest.mark.parametrize("field", ["model", "messages"])
async def test_a_missing_field_is_named(api: httpx.AsyncClient, field: str) -> None:
    body = {name: value for name, value in GOOD.items() if name != field}
    error = await refused(api, json.dumps(body).encode())
    assert error["message"] == f"{field} is required"


async def test_a_range_is_told(api: httpx.AsyncClient) -> None:
    error = await refused(api, json.dumps(GOOD | {"temperature": 3}).encode())
    assert error["message"] == "temperature must be at least 0 and at most 2"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_numbers_without_value_are_refused(api: httpx.AsyncClient, number: str) -> None:
    body = json.dumps(GOOD)[:-1] + f', "temperature": {number}}}'
    assert (await refused(api, body.encode()))["param"] == "temperature"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"hello",
        b"[]",
        b'"text"',
        b"null",
        b'{"model": "echo", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "echo", "messages": [{"role": "user", "content": "\\udc00\\ud800"}]}',
        b'{"model": "echo", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
        json.dumps(GOOD).encode("utf-16"),
        b"[" * 100_000,
        b'{"model": "echo", "x": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001,
        b'{"model": "echo", "x": ' + b"9" * 100_000 + b"}",
    ],
    ids=lambda content: repr(content[:24]),
)
async def test_what_is_not_a_json_object_is_refused(api: httpx.AsyncClient, content: bytes) -> None:
    assert (await refused(api, content))["type"] == "invalid_request_error"


async def test_another_media_type_is_refused(api: httpx.AsyncClient) -> None:
    response = await api.post(CHAT, content=json.dumps(GOOD), headers={"content-type": "text/plain"})
    assert response.status_code == 415
    assert "application/json" in response.json()["error"]["message"]


async def test_a_prompt_over_the_context_is_told_both_numbers(api: httpx.AsyncClient) -> None:
    body = {"model": "echo", "messages": [{"role": "user", "content": "a" * 5000}], "max_tokens": 10}
    error = await refused(api, json.dumps(body).encode())
    assert error["code"] == "context_length_exceeded"
    assert error["param"] == "messages"
    assert "5010" in error["message"]
    assert "4096" in error["message"]


async def test_a_prompt_of_a_megabyte_is_refused_by_its_length(api: httpx.AsyncClient) -> None:
    body = {"model": "echo", "messages": [{"role": "user", "content": "a" * 1_000_000}]}
    assert (await refused(api, json.dumps(body).encode()))["code"] == "context_length_exceeded"


async def test_max_tokens_over_the_context_is_told_both_numbers(api: httpx.AsyncClient) -> None:
    error = await refused(api, json.dumps(GOOD | {"max_tokens": 100_000}).encode())
    assert error["code"] == "context_length_exceeded"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_unknown_model_is_not_found(api: httpx.AsyncClient, stream: bool) -> None:
    error = await refused(api, json.dumps(GOOD | {"model": "gpt-9", "stream": stream}).encode(), 404)
    assert (error["code"], error["param"]) == ("model_not_found", "model")


async def test_a_model_that_is_not_served_says_what_it_needs(api: httpx.AsyncClient) -> None:
    body = GOOD | {"model": "smollm2-135m-instruct"}
    error = await refused(api, json.dumps(body).encode(), 404)
    assert error["code"] == "model_not_served"
    assert "CPU" in error["message"]


@pytest.mark.parametrize(
    ("fields", "param", "possible"),
    [
        ({"nvext": {"size": "12b"}}, "nvext.size", "full"),
        ({"nvext": {"precision": "nvfp4"}}, "nvext.precision", "bf16"),
        ({"nvext": {"precision": "int3"}}, "nvext.precision", "bf16"),
        ({"nvext": {"decode": "diffusion"}}, "nvext.decode", "autoregressive"),
        ({"nvext": {"decode_mode": "diffusion"}}, "nvext.decode", "autoregressive"),
        ({"nvext": {"thinking_size": "12b"}}, "nvext.thinking_size", "full"),
        ({"model": "echo:nvfp4"}, "model", "bf16"),
        ({"model": "echo:banana"}, "model", "bf16"),
        ({"model": "echo:bf16", "nvext": {"precision": "fp8"}}, "nvext.precision", "bf16"),
    ],
    ids=str,
)
async def test_an_impossible_knob_is_told_what_is_possible(
    api: httpx.AsyncClient, fields: dict[str, Any], param: str, possible: str
) -> None:
    error = await refused(api, json.dumps(GOOD | fields).encode())
    assert (error["code"], error["param"]) == ("unavailable_variant", param)
    assert possible in error["message"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"custom_logit_processor": "cloudpickle"}, "custom_logit_processor"),
        ({"logits_processors": ["x"]}, "logits_processors"),
        ({"lora_path": "/etc"}, "lora_path"),
        ({"input_ids": [1, 2]}, "input_ids"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"regex": "a+"}, "regex"),
        ({"reasoning_budget": 5}, "reasoning_budget"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"chat_template_kwargs": {"enable_thinking": True}}, "chat_template_kwargs.enable_thinking"),
        (
            {"chat_template_kwargs": {"truncate_history_thinking": False}},
            "chat_template_kwargs.truncate_history_thinking",
        ),
        ({"thinking_token_budget": 5}, "thinking_token_budget"),
        ({"nvext": {"max_thinking_tokens": 5}}, "nvext.max_thinking_tokens"),
        ({"nvext": {"thinking_grace": 5}}, "nvext.thinking_grace"),
        ({"nvext": {"handover": "prefill"}}, "nvext.handover"),
        ({"nvext": {"num_steps": 4}}, "nvext.num_steps"),
        ({"nvext": {"order": "leftmost"}}, "nvext.order"),
        ({"nvext": {"drafting": "linear"}}, "nvext.drafting"),
        ({"nvext": {"acceptance": "match"}}, "nvext.acceptance"),
        ({"nvext": {"block_length": 32}}, "nvext.block_length"),
        ({"nvext": {"threshold": 0.9}}, "nvext.threshold"),
    ],
    ids=str,
)
async def test_what_is_known_but_not_served_is_refused(
    api: httpx.AsyncClient, fields: dict[str, Any], param: str
) -> None:
    error = await refused(api, json.dumps(GOOD | fields).encode())
    assert (error["code"], error["param"]) == ("unsupported_field", param)


async def test_an_unknown_route_answers_in_json(api: httpx.AsyncClient) -> None:
    response = await api.post("/v1/embeddings", json={"model": "echo", "input": "x"})
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


async def test_a_wrong_method_names_the_right_one(api: httpx.AsyncClient) -> None:
    response = await api.get(CHAT)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.json()["error"]["type"] == "invalid_request_error"
