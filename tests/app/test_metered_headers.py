"""Does every answer of the API tell its caller where they stand, and nothing about anyone else?"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from nemotron_app.accounts import key_text
from nemotron_backend.echo import EchoEngine
from nemotron_backend.request import Delta, GenerationRequest

CHAT = "/v1/chat/completions"
BODY = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
HEADERS = (
    "ratelimit",
    "ratelimit-policy",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
)

ANSWERS: list[tuple[int, str, str, Any]] = [
    (200, "GET", "/v1/models", None),
    (200, "GET", "/v1/models/echo", None),
    (200, "GET", "/v1/usage", None),
    (200, "POST", CHAT, BODY),
    (200, "POST", CHAT, BODY | {"stream": True}),
    (200, "POST", "/v1/completions", {"model": "echo", "prompt": "hi"}),
    (200, "POST", "/tokenize", {"model": "echo", "prompt": "hi"}),
    (400, "POST", CHAT, {"model": "echo"}),
    (400, "POST", CHAT, BODY | {"max_tokens": 2**31 - 1}),
    (400, "GET", "/v1/usage?days=0", None),
    (404, "GET", "/v1/models/none", None),
    (404, "GET", "/v1/nothing", None),
    (405, "DELETE", "/v1/models", None),
    (413, "POST", CHAT, {"model": "x" * 3000}),
]


@pytest.mark.parametrize(("status", "method", "path", "body"), ANSWERS, ids=lambda value: str(value)[:30])
async def test_every_answer_has_all_dialects(
    serve_members: Any, status: int, method: str, path: str, body: Any
) -> None:
    members = await serve_members(EchoEngine(), max_body_bytes=2000)
    answer = await members.api.request(method, path, json=body, headers=await members.key())
    assert answer.status_code == status
    assert [name for name in HEADERS if name not in answer.headers] == []
    assert answer.headers["x-ratelimit-limit-requests"] == "40"


async def test_an_unforeseen_failure_has_them_too(serve_members: Any, scripted: Any) -> None:
    async def script(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
        raise KeyError("unforeseen")
        yield Delta(index=0)

    members = await serve_members(scripted(script))
    answer = await members.api.post(CHAT, json=BODY, headers=await members.key())
    assert answer.status_code == 500
    assert answer.headers["x-ratelimit-remaining-requests"] == "9"


async def test_a_known_caller_without_the_scope_has_them(serve_members: Any) -> None:
    members = await serve_members(EchoEngine())
    ada = await members.key(scopes=("chat",))
    answer = await members.api.get("/v1/usage", headers=ada)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "insufficient_scope")
    assert answer.headers["x-ratelimit-remaining-requests"] == "10"


@pytest.mark.parametrize("headers", [{}, {"authorization": f"Bearer {key_text.mint()}"}], ids=["no", "bad"])
async def test_a_stranger_learns_nothing(serve_members: Any, headers: dict[str, str]) -> None:
    members = await serve_members(EchoEngine())
    answer = await members.api.get("/v1/models", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert "ratelimit" not in answer.headers
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert "ratelimit" not in (await members.api.get("/v1/health/live")).headers


async def test_asking_spends_nothing_and_an_answer_tells_the_end(serve_members: Any) -> None:
    members = await serve_members(EchoEngine())
    ada = await members.key()
    for _ in range(3):
        answer = await members.api.get("/v1/models", headers=ada)
        assert answer.headers["x-ratelimit-remaining-requests"] == "10"
    answer = await members.api.post(CHAT, json=BODY, headers=ada)
    assert answer.headers["x-ratelimit-remaining-requests"] == "9"
    # In one piece, so that what was set aside has been given back.
    assert '"tokens_per_day";r=999999;' in answer.headers["ratelimit"]
    assert '"in_flight";r=4;' in answer.headers["ratelimit"]


async def test_a_page_of_another_origin_may_read_them(serve_members: Any) -> None:
    members = await serve_members(EchoEngine())
    ada: dict[str, str] = await members.key()
    headers = ada | {"origin": "https://elsewhere.example"}
    answer = await members.api.get("/v1/models", headers=headers)
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {*HEADERS, "retry-after", "x-should-retry", "x-request-id"} <= set(exposed)


@pytest.mark.parametrize("name", ["key", "api_key", "access_token", "q"])
async def test_a_key_in_the_address_is_refused(serve_members: Any, name: str) -> None:
    members = await serve_members(EchoEngine())
    key = (await members.key())["authorization"].removeprefix("Bearer ")
    answer = await members.api.get("/v1/models", params={name: key})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "key_in_query")
    assert key not in answer.text


async def test_metrics_count_decisions_and_strangers_without_names(serve_members: Any) -> None:
    members = await serve_members(EchoEngine(), tiers={"free": {"burst": 1, "requests_per_minute": 1}})
    ada = await members.key()
    nothing: dict[str, str] = {}
    for headers in (ada, ada, nothing):
        await members.api.post(CHAT, json=BODY, headers=headers)
    told = (await members.api.get("/metrics")).text
    for line in (
        'playground_limit_decisions_total{decision="granted"} 1.0',
        'playground_limit_decisions_total{decision="requests"} 1.0',
        'playground_auth_failures_total{reason="invalid_api_key"} 1.0',
        "playground_limiter_degraded 0.0",
        "playground_queue_waiting_requests 0.0",
    ):
        assert line in told
    assert "user_ada" not in told
    assert "key_" not in told


async def test_bad_keys_of_an_address_are_slowed(serve_members: Any) -> None:
    members = await serve_members(EchoEngine())
    ada = await members.key()

    async def guess() -> httpx.Response:
        bad = {"authorization": f"Bearer {key_text.mint()}"}
        answer: httpx.Response = await members.api.get("/v1/models", headers=bad)
        return answer

    answers = await asyncio.gather(*(guess() for _ in range(12)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [401] * 10 + [429] * 2
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 429)
    assert (await members.api.get("/v1/health/live")).status_code == 200
    assert (await members.api.get("/v1/models", headers=ada)).status_code == 429
