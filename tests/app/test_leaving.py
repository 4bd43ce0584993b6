"""Is the engine free once nobody waits for the answer?"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from nemotron_app.caller import Caller
from nemotron_app.record import Record
from nemotron_app.wire.asked import Asked
from nemotron_backend.echo import EchoEngine
from nemotron_backend.engine import Engine
from nemotron_backend.request import Delta, GenerationRequest, Token

CHAT = "/v1/chat/completions"
BODY = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
TOKEN = Token(id=1, bytes=b"x", logprob=0.0, top=())


async def endless(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
    while True:
        await asyncio.sleep(0)
        yield Delta(index=0, text="x" * 1000, tokens=(TOKEN,))


async def stuck(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
    yield Delta(index=0, text="x", tokens=(TOKEN,))
    await asyncio.Event().wait()


class Ledger:
    """Remembers what was settled."""

    def __init__(self) -> None:
        self.settled: list[int] = []
        self.has_settled = asyncio.Event()

    @asynccontextmanager
    async def charge(self, record: Record, asked: Asked, engine: Engine) -> AsyncGenerator[None, None]:
        record.headers["x-ratelimit-remaining-requests"] = "39"
        try:
            yield
        finally:
            self.settled.append(record.tally.num_tokens)
            self.has_settled.set()

    async def limits(self, caller: Caller) -> dict[str, str]:
        return {}


@pytest.mark.parametrize("script", [endless, stuck])
async def test_a_client_that_leaves_a_stream_frees_the_engine(serve: Any, scripted: Any, script: Any) -> None:
    engine = scripted(script)
    api: httpx.AsyncClient = await serve(engine)
    async with api.stream("POST", CHAT, json=BODY | {"stream": True}) as response:
        assert await anext(response.aiter_bytes())
        assert engine.status().num_running == 1
    await engine.freed.wait()
    assert engine.status().num_running == 0


async def test_a_client_that_leaves_a_whole_answer_frees_the_engine(serve: Any, scripted: Any) -> None:
    engine = scripted(stuck)
    api: httpx.AsyncClient = await serve(engine)
    asking = asyncio.create_task(api.post(CHAT, json=BODY))
    await engine.started.wait()
    asking.cancel()
    await engine.freed.wait()
    assert engine.status().num_running == 0


async def test_a_client_that_leaves_frees_all_of_its_prompts(serve: Any, scripted: Any) -> None:
    engine = scripted(stuck)
    api: httpx.AsyncClient = await serve(engine)
    body = {"model": "echo", "prompt": ["a", "b", "c"], "stream": True}
    async with api.stream("POST", "/v1/completions", json=body) as response:
        chunks = response.aiter_bytes()
        while engine.status().num_running < 3:
            await anext(chunks)
    while engine.status().num_running:
        engine.freed.clear()
        await engine.freed.wait()
    assert len(engine.requests) == 3


async def test_tokens_made_until_the_client_left_are_settled(serve: Any, scripted: Any) -> None:
    ledger = Ledger()
    api: httpx.AsyncClient = await serve(scripted(stuck), meter=ledger)
    async with api.stream("POST", CHAT, json=BODY | {"stream": True}) as response:
        assert response.headers["x-ratelimit-remaining-requests"] == "39"
        assert await anext(response.aiter_bytes())
    await ledger.has_settled.wait()
    assert ledger.settled == [1]


async def test_a_finished_answer_is_settled_once(serve: Any) -> None:
    ledger = Ledger()
    api: httpx.AsyncClient = await serve(EchoEngine(), meter=ledger)
    for stream in (False, True):
        response = await api.post(CHAT, json=BODY | {"stream": stream})
        assert response.headers["x-ratelimit-remaining-requests"] == "39"
    assert ledger.settled == [2, 2]


async def test_a_client_that_reads_slowly_holds_nobody_else_up(serve: Any, scripted: Any) -> None:
    engine = scripted(endless)
    api: httpx.AsyncClient = await serve(engine)
    async with api.stream("POST", CHAT, json=BODY | {"stream": True}):
        # Nothing is read from here on, so that the socket fills up and the engine must wait.
        async with api.stream("POST", CHAT, json=BODY | {"stream": True}) as other:
            pieces = other.aiter_bytes()
            for _ in range(200):
                assert await anext(pieces)
        assert (await api.get("/v1/health/ready")).status_code == 200
    while engine.status().num_running:
        engine.freed.clear()
        await engine.freed.wait()


async def test_a_client_that_reads_slowly_is_not_buffered_without_end(serve: Any, scripted: Any) -> None:
    num_made = 0

    async def counted(request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        nonlocal num_made
        async for delta in endless(request):
            num_made += 1
            yield delta

    api: httpx.AsyncClient = await serve(scripted(counted))
    async with api.stream("POST", CHAT, json=BODY | {"stream": True}):
        before = -1
        while before != num_made:  # until a while of other traffic moves it no further
            before = num_made
            for _ in range(50):
                await api.get("/v1/health/live")
    assert num_made < 100_000
