"""Does a response say what chat says, in OpenAI's order, and is what it cannot be refused?"""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from nemotron_backend.echo import EchoEngine
from nemotron_backend.engine import ContextTooLong, EngineFailed
from nemotron_backend.request import (
    Conversation,
    Delta,
    GenerationRequest,
    Message,
    Token,
    Tool,
    ToolCall,
    Usage,
    Variant,
)

PATH = "/v1/responses"
BODY = {"model": "echo", "input": "hello"}
THINKER = Variant(model="echo-thinker", size="large", precision="bf16", decode="autoregressive")
WEATHER = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
CALL = "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>"


def events(response: httpx.Response) -> list[dict[str, Any]]:
    """The events of a stream; each is named by its own type."""
    told: list[dict[str, Any]] = []
    for block in response.text.strip().split("\n\n"):
        name, data = block.split("\n")
        told.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {told[-1]['type']}"
    return told


def without_ids(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in item.items() if key not in {"id", "call_id"}} for item in items]


def token(text: str) -> Token:
    return Token(id=1, bytes=text.encode(), logprob=-0.5, top=())


@pytest.fixture
def thinker(scripted: Any, usage: Usage) -> Any:
    """An engine that thinks, says something and calls a tool."""

    async def script(request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        for thought in ("hm", "m"):
            yield Delta(index=0, reasoning=thought, tokens=(token(thought),))
        for text in ("Let me ", "look.", f"\n{CALL}"):
            yield Delta(index=0, text=text, tokens=(token(text),))
        yield Delta(index=0, finish="stop", usage=usage)

    return scripted(script, variants=(THINKER,))


async def test_a_response_says_what_chat_says_and_is_not_kept(api: httpx.AsyncClient) -> None:
    body = BODY | {"store": True, "metadata": {"run": "7"}, "include": ["reasoning.encrypted_content"]}
    answer = (await api.post(PATH, json=body)).json()
    (item,) = answer["output"]
    assert item["content"] == [{"type": "output_text", "text": "hello", "annotations": [], "logprobs": []}]
    assert (answer["object"], answer["status"], answer["store"]) == ("response", "completed", False)
    assert (answer["model"], answer["metadata"]) == ("echo:full:bf16:autoregressive", {"run": "7"})
    assert (answer["usage"]["input_tokens"], answer["usage"]["output_tokens"]) == (5, 5)
    assert answer["nvext"]["recipe"]["variant"] == answer["model"]
    for method in ("GET", "DELETE"):
        gone = await api.request(method, f"{PATH}/{answer['id']}")
        assert (gone.status_code, gone.json()["error"]["code"]) == (404, "response_not_found")
    cancelled = await api.post(f"{PATH}/{answer['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["error"]["code"]) == (400, "not_in_background")


async def test_events_come_in_openais_order_and_are_numbered(serve: Any, thinker: Any) -> None:
    api: httpx.AsyncClient = await serve(thinker)
    body = BODY | {"model": "echo-thinker", "tools": [WEATHER], "stream": True}
    told = events(await api.post(PATH, json=body))
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert [event["type"].removeprefix("response.") for event in told] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    done = [event["item"] for event in told if event["type"] == "response.output_item.done"]
    assert told[-1]["response"]["output"] == done
    assert [event["output_index"] for event in told if "item" in event] == [0, 0, 1, 1, 2, 2]
    assert told[0]["response"]["status"] == "in_progress"
    assert told[-1]["response"]["usage"]["output_tokens_details"] == {"reasoning_tokens": 3}


async def test_a_stream_ends_as_the_whole_is(serve: Any, thinker: Any) -> None:
    api: httpx.AsyncClient = await serve(thinker)
    body = BODY | {"model": "echo-thinker", "tools": [WEATHER], "seed": 1}
    whole = (await api.post(PATH, json=body)).json()
    streamed = events(await api.post(PATH, json=body | {"stream": True}))[-1]["response"]
    thought, message, call = whole["output"]
    assert thought["content"] == [{"type": "reasoning_text", "text": "hmm"}]
    assert message["content"][0]["text"] == "Let me look."
    assert (call["name"], call["arguments"]) == ("get_weather", '{"city": "Oslo"}')
    assert without_ids(streamed["output"]) == without_ids(whole["output"])
    varying = {"id", "created_at", "output"}
    assert {k: v for k, v in streamed.items() if k not in varying} == {
        k: v for k, v in whole.items() if k not in varying
    }


async def test_items_become_the_turns_of_a_conversation(serve: Any, thinker: Any) -> None:
    def called(call_id: str, city: str) -> dict[str, Any]:
        arguments = json.dumps({"city": city})
        return {"type": "function_call", "call_id": call_id, "name": "get_weather", "arguments": arguments}

    def part(kind: str, text: str) -> dict[str, Any]:
        return {"type": kind, "text": text}

    said = part("output_text", "Let me look.") | {"annotations": []}
    items = [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": [part("input_text", "Oslo"), part("input_text", "Lima")]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [part("reasoning_text", "two")]},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [said]},
        called("a", "Oslo"),
        called("b", "Lima"),
        {"type": "function_call_output", "call_id": "b", "output": "sun"},
        {"type": "function_call_output", "call_id": "a", "output": [part("input_text", "rain")]},
        {"role": "assistant", "content": "Rain and sun."},
        {"role": "assistant", "content": "More?"},
    ]
    api: httpx.AsyncClient = await serve(thinker)
    body = {"model": "echo-thinker", "input": items, "instructions": "Be brief.", "tools": [WEATHER]}
    assert (await api.post(PATH, json=body)).status_code == 200
    (request,) = thinker.requests
    calls = tuple(
        ToolCall(name="get_weather", arguments=json.dumps({"city": city})) for city in ("Oslo", "Lima")
    )
    assert isinstance(request.prompt, Conversation)
    assert request.prompt.messages == (
        Message(role="system", content="Be brief."),
        Message(role="system", content="Be kind."),
        Message(role="user", content="Oslo\nLima"),
        Message(role="assistant", content="Let me look.", reasoning="two", tool_calls=calls),
        Message(role="tool", content="sun"),
        Message(role="tool", content="rain"),
        Message(role="assistant", content="Rain and sun."),
        Message(role="assistant", content="More?"),
    )
    assert [message.call_id for message in request.prompt.messages if message.role == "tool"] == ["b", "a"]
    assert request.prompt.tools == (
        Tool(name="get_weather", description="", parameters='{"type": "object"}'),
    )


async def test_effort_switches_thinking(serve: Any, thinker: Any) -> None:
    api: httpx.AsyncClient = await serve(thinker)
    body = BODY | {"model": "echo-thinker", "reasoning": {"effort": "none", "summary": "auto"}}
    answer = (await api.post(PATH, json=body)).json()
    assert answer["reasoning"] == {"effort": "none", "summary": "auto"}
    assert not thinker.requests[0].prompt.is_thinking


RESULT = {"type": "function_call_output", "call_id": "a", "output": "x"}
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("previous_response_id", {"previous_response_id": "resp_1"}),
    ("conversation", {"conversation": "conv_1"}),
    ("prompt", {"prompt": {"id": "pmpt_1"}}),
    ("background", {"background": True}),
    ("truncation", {"truncation": "auto"}),
    ("max_tokens", {"max_tokens": 5}),
    ("n", {"n": 2}),
    ("text.format", {"text": {"format": {"type": "json_schema", "name": "x", "schema": {}}}}),
    ("text.verbosity", {"text": {"verbosity": "low"}}),
    ("reasoning.summary", {"reasoning": {"summary": "detailed"}}),
    ("reasoning.effort", {"reasoning": {"effort": "high"}}),
    ("tools", {"tools": [WEATHER]}),
    ("tools[0].type", {"tools": [{"type": "web_search"}]}),
    ("tools[0].name", {"tools": [{"type": "function"}]}),
    ("tool_choice", {"tool_choice": "required"}),
    ("input", {"input": []}),
    ("input[0].type", {"input": [{"type": "item_reference"}]}),
    ("input[0].role", {"input": [{"content": "x"}]}),
    ("input[0].content", {"input": [{"role": "user"}]}),
    ("input[0].content[0].type", {"input": [{"role": "user", "content": [{"type": "input_image"}]}]}),
    ("input[1].type", {"input": [{"role": "user", "content": "x"}, RESULT]}),
    ("input", {"max_output_tokens": 9000}),
    ("max_output_tokens", {"max_output_tokens": 0}),
    ("temperature", {"temperature": 9}),
    ("web_search_options", {"web_search_options": {"a": 1}}),
    ("model", {"model": "echo-reward"}),
]


@pytest.mark.parametrize(("param", "fields"), REFUSED, ids=[str(sorted(fields)) for _, fields in REFUSED])
async def test_what_cannot_be_is_refused_by_the_name_it_has_here(
    api: httpx.AsyncClient, param: str, fields: dict[str, Any]
) -> None:
    refused = await api.post(PATH, json=BODY | fields)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)


async def test_a_result_must_answer_a_call(serve: Any, thinker: Any) -> None:
    api: httpx.AsyncClient = await serve(thinker)
    body = {"model": "echo-thinker", "instructions": "Be brief.", "input": [RESULT]}
    error = (await api.post(PATH, json=body)).json()["error"]
    assert error["param"] == "input[0].call_id"
    assert error["message"].startswith("input[0].call_id must be the id of a call")


async def test_arguments_of_a_call_must_be_an_object(serve: Any, thinker: Any) -> None:
    api: httpx.AsyncClient = await serve(thinker)
    call = {"type": "function_call", "call_id": "a", "name": "get_weather", "arguments": "{}"}
    items = [{"type": "reasoning", "summary": []}, call, call | {"call_id": "b", "arguments": "[]"}]
    error = (await api.post(PATH, json={"model": "echo-thinker", "input": items})).json()["error"]
    assert error["param"] == "input[2].arguments"
    assert error["message"] == "input[2].arguments must be a JSON object, in a string"


async def test_more_items_than_chat_takes_are_refused(api: httpx.AsyncClient) -> None:
    items = [{"role": "user", "content": "x"}] * 4096
    refused = await api.post(PATH, json={"model": "echo", "input": items, "instructions": "y"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "input")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_is_cut_is_incomplete(api: httpx.AsyncClient, stream: bool) -> None:
    response = await api.post(PATH, json=BODY | {"max_output_tokens": 3, "stream": stream})
    answer = events(response)[-1]["response"] if stream else response.json()
    assert (answer["status"], answer["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert answer["output"][0]["status"] == "incomplete"
    if stream:
        assert events(response)[-1]["type"] == "response.incomplete"


async def test_an_answer_of_nothing_is_an_empty_message(api: httpx.AsyncClient) -> None:
    answer = (await api.post(PATH, json=BODY | {"stop": "h"})).json()
    assert [item["content"][0]["text"] for item in answer["output"]] == [""]


@pytest.mark.parametrize("fields", [{"top_logprobs": 2}, {"include": ["message.output_text.logprobs"]}])
async def test_log_probabilities_stand_with_the_text_alone(
    serve: Any, thinker: Any, fields: dict[str, Any]
) -> None:
    api: httpx.AsyncClient = await serve(thinker)
    body = BODY | {"model": "echo-thinker"} | fields
    answer = (await api.post(PATH, json=body)).json()
    _, message = answer["output"]
    tokens = [entry["token"] for entry in message["content"][0]["logprobs"]]
    assert "".join(tokens) == message["content"][0]["text"]
    told = events(await api.post(PATH, json=body | {"stream": True}))
    deltas = [event for event in told if event["type"] == "response.output_text.delta"]
    assert [entry["token"] for event in deltas for entry in event["logprobs"]] == tokens


async def test_a_trace_is_told_where_it_is_asked_for(api: httpx.AsyncClient) -> None:
    answer = (await api.post(PATH, json=BODY | {"nvext": {"trace": True}})).json()
    assert len(answer["nvext"]["trace"]) == 5


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_before_the_first_token_has_its_status(
    serve: Any, scripted: Any, stream: bool
) -> None:
    async def script(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
        raise ContextTooLong("messages", "messages are too long", num_tokens=9, limit=4)
        yield Delta(index=0)

    api: httpx.AsyncClient = await serve(scripted(script))
    response = await api.post(PATH, json=BODY | {"stream": stream})
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "context_length_exceeded")
    assert (error["param"], error["message"]) == ("input", "input are too long")


async def test_an_error_after_the_first_token_fails_the_response(serve: Any, scripted: Any) -> None:
    async def script(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
        yield Delta(index=0, text="so far")
        raise EngineFailed("broken")

    api: httpx.AsyncClient = await serve(scripted(script))
    response = await api.post(PATH, json=BODY | {"stream": True})
    told = events(response)
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    error, failed = told[-2:]
    assert (error["type"], error["code"]) == ("error", "engine_failed")
    assert response.headers["x-request-id"] in error["message"]
    assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")
    assert failed["response"]["output"][0]["content"][0]["text"] == "so far"
    assert "[DONE]" not in response.text


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_cancels_its_response(serve: Any, scripted: Any, stream: bool) -> None:
    async def script(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
        yield Delta(index=0, text="x")
        await asyncio.Event().wait()

    engine = scripted(script)
    api: httpx.AsyncClient = await serve(engine)
    asking = asyncio.create_task(api.post(PATH, json=BODY | {"stream": stream}))
    await engine.started.wait()
    asking.cancel()
    await engine.freed.wait()
    assert engine.num_running == 0


async def test_a_response_is_charged_and_guarded_as_chat_is(serve_members: Any) -> None:
    members = await serve_members(EchoEngine())
    assert (await members.api.post(PATH, json=BODY)).status_code == 401
    texts = await members.key(scopes=("completions",))
    assert (await members.api.post(PATH, json=BODY, headers=texts)).status_code == 403
    ada = await members.key()
    answer = await members.api.post(PATH, json=BODY, headers=ada)
    assert answer.headers["x-ratelimit-remaining-requests"]
    (row,) = await members.rows()
    assert (row["status"], row["prompt_tokens"], row["completion_tokens"]) == ("done", 5, 5)
