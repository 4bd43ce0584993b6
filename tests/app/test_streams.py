"""What happens to a stream when something goes wrong, or nothing happens at all?"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
import pytest

from nemotron_backend.engine import (
    ContextTooLong,
    EngineBusy,
    EngineError,
    EngineFailed,
    EngineStarting,
    InvalidRequest,
    UnknownVariant,
)
from nemotron_backend.request import Delta, GenerationRequest, Usage

CHAT = "/v1/chat/completions"
BODY = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
STREAM = BODY | {"stream": True}

ERRORS = [
    (InvalidRequest("seed", "no such seed"), 400, None),
    (ContextTooLong("messages", "too long", num_tokens=9, limit=4), 400, "context_length_exceeded"),
    (UnknownVariant("gone"), 404, "model_not_found"),
    (EngineStarting("half way"), 503, "engine_starting"),
    (EngineBusy("full", retry_after=2.5), 503, "engine_busy"),
    (EngineFailed("broken"), 502, "engine_failed"),
]


def failing(error: EngineError, *before: Delta) -> Callable[..., AsyncGenerator[Delta, None]]:
    async def script(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
        for delta in before:
            yield delta
        raise error

    return script


@pytest.mark.parametrize(("error", "status", "code"), ERRORS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("body", [BODY, STREAM], ids=["whole", "stream"])
async def test_an_error_before_the_first_token_has_its_status(
    serve: Any, scripted: Any, body: dict[str, Any], error: EngineError, status: int, code: str | None
) -> None:
    api = await serve(scripted(failing(error)))
    response = await api.post(CHAT, json=body)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert response.json()["error"]["code"] == code
    assert response.json()["error"]["message"] == str(error)
    assert ("retry-after" in response.headers) == (status == 503)


async def test_a_busy_engine_says_when_to_come_back(serve: Any, scripted: Any) -> None:
    api = await serve(scripted(failing(EngineBusy("full", retry_after=2.5))))
    assert (await api.post(CHAT, json=BODY)).headers["retry-after"] == "3"


async def test_an_error_after_the_first_token_is_an_event_and_the_stream_ends(
    serve: Any, scripted: Any
) -> None:
    api = await serve(scripted(failing(EngineFailed("broken"), Delta(index=0, text="so far"))))
    response = await api.post(CHAT, json=STREAM)
    assert response.status_code == 200
    *_, error, done, rest = response.text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    told = json.loads(error.removeprefix("data: "))
    assert told["error"]["code"] == "engine_failed"
    assert told["requestId"] == response.headers["x-request-id"]


async def test_an_error_after_the_first_token_fails_a_whole_answer(serve: Any, scripted: Any) -> None:
    api = await serve(scripted(failing(EngineFailed("broken"), Delta(index=0, text="so far"))))
    assert (await api.post(CHAT, json=BODY)).status_code == 502


async def test_what_nobody_foresaw_tells_nothing_of_the_inside(serve: Any, scripted: Any) -> None:
    async def script(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
        raise ZeroDivisionError("secret detail")
        yield Delta(index=0)

    api = await serve(scripted(script))
    response = await api.post(CHAT, json=BODY)
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "Traceback" not in response.text
    assert response.json()["requestId"] == response.headers["x-request-id"]


async def test_a_silent_stream_is_kept_alive_by_comments(serve: Any, scripted: Any, usage: Usage) -> None:
    enough = asyncio.Event()

    async def script(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
        await enough.wait()
        yield Delta(index=0, text="at last", finish="stop", usage=usage)

    api: httpx.AsyncClient = await serve(scripted(script), hold_seconds=0.01, keep_alive_seconds=0.01)
    lines: list[str] = []
    async with api.stream("POST", CHAT, json=STREAM) as response:
        assert response.status_code == 200
        async for line in response.aiter_lines():
            lines += [line] if line else []
            if lines.count(": keep-alive") == 3:
                enough.set()
    assert lines[:3] == [": keep-alive"] * 3
    assert "at last" in "".join(lines)
    assert lines[-1] == "data: [DONE]"


async def test_an_engine_that_says_nothing_is_given_up(serve: Any, scripted: Any) -> None:
    async def script(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
        await asyncio.Event().wait()
        yield Delta(index=0)

    engine = scripted(script)
    api = await serve(engine, hold_seconds=0.02, silence_seconds=0.01)
    response = await api.post(CHAT, json=BODY)
    assert response.status_code == 504
    assert response.json()["error"]["code"] == "engine_silent"
    await engine.freed.wait()


async def test_tokens_arrive_one_by_one(serve: Any, scripted: Any, usage: Usage) -> None:
    turns = [asyncio.Event() for _ in range(3)]

    async def script(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
        for place, turn in enumerate(turns):
            await turn.wait()
            yield Delta(index=0, text=str(place))
        yield Delta(index=0, finish="stop", usage=usage)

    api: httpx.AsyncClient = await serve(scripted(script))
    turns[0].set()
    async with api.stream("POST", CHAT, json=STREAM) as response:
        async for line in response.aiter_lines():
            for place in range(2):
                if f'"content":"{place}"' in line:
                    turns[place + 1].set()
    assert all(turn.is_set() for turn in turns)
