"""Do running answers end well when the server stops?"""

import asyncio
import socket
from collections.abc import AsyncGenerator
from typing import Any

import httpx

from nemotron_app.drain import Drain
from nemotron_app.serve import bind
from nemotron_backend.request import Delta, GenerationRequest, Usage

CHAT = "/v1/chat/completions"
STREAM = {"model": "echo", "messages": [{"role": "user", "content": "hi"}], "stream": True}


async def test_a_running_stream_is_finished(serve: Any, scripted: Any, drain: Drain, usage: Usage) -> None:
    go_on = asyncio.Event()

    async def script(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
        yield Delta(index=0, text="first")
        await go_on.wait()
        yield Delta(index=0, text="last", finish="stop", usage=usage)

    api: httpx.AsyncClient = await serve(scripted(script))
    async with api.stream("POST", CHAT, json=STREAM) as response:
        lines = response.aiter_lines()
        assert "data" in await anext(lines)
        draining = asyncio.create_task(drain.run(30))
        while (await api.get("/v1/health/ready")).status_code == 200:
            pass
        assert not draining.done()
        go_on.set()
        rest = "".join([line async for line in lines])
    assert "last" in rest
    assert rest.endswith("[DONE]")
    await draining


async def test_a_stream_that_takes_too_long_is_broken_off_in_order(
    serve: Any, scripted: Any, drain: Drain
) -> None:
    async def script(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
        yield Delta(index=0, text="first")
        await asyncio.Event().wait()

    engine = scripted(script)
    api: httpx.AsyncClient = await serve(engine)
    async with api.stream("POST", CHAT, json=STREAM) as response:
        lines = response.aiter_lines()
        assert "data" in await anext(lines)
        await drain.run(0.01)
        rest = "".join([line async for line in lines])
    assert "shutting_down" in rest
    assert rest.endswith("[DONE]")
    assert engine.status().num_running == 0


async def test_an_idle_server_has_nothing_to_wait_for() -> None:
    drain = Drain()
    await drain.run(1000)
    assert drain.is_draining
    assert not drain.cut.is_set()


def test_small_writes_leave_at_once() -> None:
    with bind("127.0.0.1", 0) as sock:
        assert sock.proto == socket.IPPROTO_TCP  # what asyncio looks at before it turns Nagle's delay off
