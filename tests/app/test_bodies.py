"""How much of a body is read, and for how long is it waited for?"""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
from starlette.requests import HTTPConnection

from nemotron_app.caller import Caller
from nemotron_app.errors import Unauthenticated
from nemotron_backend.echo import EchoEngine

CHAT = "/v1/chat/completions"
HEADERS = {"content-type": "application/json"}
GOOD = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}


class Closed:
    """Lets nobody in."""

    async def authenticate(self, connection: HTTPConnection) -> Caller:
        raise Unauthenticated(
            "no key was given", code="invalid_api_key", headers={"www-authenticate": "Bearer"}
        )


async def test_a_declared_body_over_the_cap_is_refused(serve: Any) -> None:
    api = await serve(EchoEngine(), max_body_bytes=1000)
    response = await api.post(CHAT, content=b"a" * 1001, headers=HEADERS)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "body_too_large"
    assert "1000" in response.json()["error"]["message"]
    assert (await api.post(CHAT, json=GOOD)).status_code == 200


async def test_an_undeclared_body_over_the_cap_is_refused(serve: Any) -> None:
    api = await serve(EchoEngine(), max_body_bytes=1000)

    async def chunks() -> AsyncGenerator[bytes, None]:
        for _ in range(11):
            yield b"a" * 100

    response = await api.post(CHAT, content=chunks(), headers=HEADERS)
    assert response.status_code == 413
    assert (await api.post(CHAT, json=GOOD)).status_code == 200


async def test_a_body_of_just_the_cap_is_read(serve: Any) -> None:
    content = json.dumps(GOOD).encode()
    api = await serve(EchoEngine(), max_body_bytes=len(content))
    assert (await api.post(CHAT, content=content, headers=HEADERS)).status_code == 200


async def test_a_body_that_never_comes_is_given_up(serve: Any) -> None:
    api: httpx.AsyncClient = await serve(EchoEngine(), body_seconds=0.05)
    reader, writer = await asyncio.open_connection(api.base_url.host, api.base_url.port)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
    await writer.drain()
    assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()
    await writer.wait_closed()


async def test_a_stranger_is_refused_before_the_body_is_read(serve: Any) -> None:
    api: httpx.AsyncClient = await serve(EchoEngine(), authenticator=Closed())
    reader, writer = await asyncio.open_connection(api.base_url.host, api.base_url.port)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n")
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 ")
    assert b"www-authenticate: Bearer" in head
    assert json.loads(await reader.readuntil(b"}}") if b"}}" in head else await reader.read(4096))
    writer.close()
    await writer.wait_closed()


async def test_health_needs_no_key(serve: Any) -> None:
    api = await serve(EchoEngine(), authenticator=Closed())
    assert (await api.get("/v1/health/live")).status_code == 200
    assert (await api.get("/v1/models")).status_code == 401
