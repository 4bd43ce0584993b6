"""Do ids and CORS headers stand on every answer?"""

from typing import Any

import httpx
import pytest

BODY = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("GET", "/nowhere"),
        ("GET", "/v1/nowhere"),
        ("POST", "/v1/chat/completions"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
    ],
)
async def test_every_answer_has_an_id_of_its_own(api: httpx.AsyncClient, method: str, path: str) -> None:
    ids = {(await api.request(method, path)).headers["x-request-id"] for _ in range(2)}
    assert len(ids) == 2
    assert all(each.startswith("req_") for each in ids)


@pytest.mark.parametrize(
    ("sent", "echoed"),
    [("my-id-1", "my-id-1"), ("a" * 128, "a" * 128), ("a" * 129, None), ("caf\u00e9", None), ("a\tb", None)],
)
async def test_a_callers_id_comes_back_if_short_and_printable(
    api: httpx.AsyncClient, sent: str, echoed: str | None
) -> None:
    headers = {"x-request-id": sent.encode("latin-1")}
    response = await api.get("/v1/models", headers=headers)  # type: ignore[arg-type]  # bytes are taken
    assert response.headers["x-request-id"].startswith("req_")
    assert response.headers.get("x-client-request-id") == echoed


async def test_a_page_of_another_origin_may_call_the_api(api: httpx.AsyncClient) -> None:
    origin = {"origin": "https://example.com"}
    asked = {
        **origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    preflight = await api.options("/v1/chat/completions", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "*"
    response = await api.post("/v1/chat/completions", json=BODY, headers=origin)
    assert response.headers["access-control-allow-origin"] == "*"
    assert "x-request-id" in response.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in response.headers


async def test_an_error_can_be_read_from_another_origin(api: httpx.AsyncClient) -> None:
    response = await api.post("/v1/chat/completions", json={}, headers={"origin": "https://example.com"})
    assert response.status_code == 400
    assert response.headers["access-control-allow-origin"] == "*"


async def test_the_rest_is_for_its_own_origin(api: httpx.AsyncClient) -> None:
    response: Any = await api.get("/metrics", headers={"origin": "https://example.com"})
    assert "access-control-allow-origin" not in response.headers
