"""Is every call charged what it used, however it ends, and refused when its caller has no more?"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from nemotron_backend.echo import EchoEngine
from nemotron_backend.engine import EngineFailed
from nemotron_backend.request import Delta, GenerationRequest, Token, Usage

CHAT = "/v1/chat/completions"
# The echo engine's tokens are the characters of the prompt, so this has ten.
BODY = {"model": "echo", "messages": [{"role": "user", "content": "ten tokens"}], "max_tokens": 10}
VARIANT = "echo:full:bf16:autoregressive"
TOKEN = Token(id=1, bytes=b"x", logprob=0.0, top=())


async def stuck(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
    yield Delta(index=0, text="x", tokens=(TOKEN,))
    await asyncio.Event().wait()


async def silent(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
    await asyncio.Event().wait()
    yield Delta(index=0)


async def broken(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
    raise EngineFailed("broken")
    yield Delta(index=0)


async def breaking(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
    yield Delta(index=0, text="x", tokens=(TOKEN,))
    raise EngineFailed("broken")


async def until_nothing_runs(members: Any, headers: dict[str, str]) -> None:
    while (await members.used(headers))["in_flight"]:
        pass


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_finished_call_is_in_the_ledger_and_the_limits(serve_members: Any, stream: bool) -> None:
    members = await serve_members(EchoEngine())
    ada = await members.key()
    answer = await members.api.post(CHAT, json=BODY | {"stream": stream}, headers=ada)
    assert answer.status_code == 200
    (row,) = await members.rows()
    assert (row["status"], row["caller"], row["variant"]) == ("done", "user_ada", VARIANT)
    assert row["id"] == answer.headers["x-request-id"]
    assert row["key_id"].startswith("key_")
    assert (row["prompt_tokens"], row["completion_tokens"], row["forwards"]) == (10, 10, 9)
    used = await members.used(ada)
    # Twenty tokens of a variant that weighs 0.01.
    assert (used["requests"], used["tokens_per_day"], used["in_flight"]) == (1, 1, 0)


async def test_usage_tells_days_by_variant_and_key(serve_members: Any) -> None:
    members = await serve_members(EchoEngine())
    ada, eve = await members.key(), await members.key("user_eve")
    for _ in range(2):
        await members.api.post(CHAT, json=BODY, headers=ada)
    report = (await members.api.get("/v1/usage", headers=ada)).json()
    (day,) = report["days"]
    assert (day["variant"], day["requests"], day["prompt_tokens"]) == (VARIANT, 2, 20)
    assert day["key_id"].startswith("key_")
    assert report["today"]["completion_tokens"] == 20
    assert (report["tier"], report["queue"]["places"]) == ("free", [])
    assert (await members.api.get("/v1/usage", headers=eve)).json()["days"] == []


@pytest.mark.parametrize(
    ("script", "spent"), [(stuck, (10, 1)), (silent, (0, 0))], ids=["after a token", "before any"]
)
async def test_a_call_broken_off_costs_what_was_made(
    serve_members: Any, scripted: Any, script: Any, spent: tuple[int, int]
) -> None:
    engine = scripted(script)
    members = await serve_members(engine, hold_seconds=0.05)
    ada = await members.key()
    async with members.api.stream("POST", CHAT, json=BODY | {"stream": True}, headers=ada) as answer:
        assert answer.status_code == 200
        assert await anext(answer.aiter_bytes())
    await engine.freed.wait()
    await until_nothing_runs(members, ada)
    (row,) = await members.rows()
    assert (row["status"], row["prompt_tokens"], row["completion_tokens"]) == ("aborted", *spent)
    used = await members.used(ada)
    assert (used["requests"], used["tokens_per_day"]) == (1, 1 if spent[0] else 0)


@pytest.mark.parametrize(
    ("script", "spent"), [(breaking, (10, 1)), (broken, (0, 0))], ids=["after a token", "before any"]
)
async def test_a_call_that_fails_costs_what_was_made(
    serve_members: Any, scripted: Any, script: Any, spent: tuple[int, int]
) -> None:
    members = await serve_members(scripted(script))
    ada = await members.key()
    answer = await members.api.post(CHAT, json=BODY, headers=ada)
    assert answer.status_code == 502
    (row,) = await members.rows()
    assert (row["status"], row["prompt_tokens"], row["completion_tokens"]) == ("failed", *spent)
    assert (await members.used(ada))["in_flight"] == 0


async def test_every_prompt_and_choice_is_charged(serve_members: Any) -> None:
    members = await serve_members(EchoEngine())
    ada = await members.key()
    body = {"model": "echo", "prompt": ["abc", "de"], "n": 2, "max_tokens": 9}
    assert (await members.api.post("/v1/completions", json=body, headers=ada)).status_code == 200
    (row,) = await members.rows()
    assert (row["prompt_tokens"], row["completion_tokens"]) == (5, 10)


async def test_cached_and_reasoning_tokens_reach_the_ledger(
    serve_members: Any, scripted: Any, usage: Usage
) -> None:
    async def script(_: GenerationRequest) -> AsyncGenerator[Delta, None]:
        yield Delta(index=0, text="x", tokens=(TOKEN,), finish="stop", usage=usage)

    members = await serve_members(scripted(script))
    await members.api.post(CHAT, json=BODY, headers=await members.key())
    (row,) = await members.rows()
    assert (row["cached_tokens"], row["reasoning_tokens"], row["forwards"]) == (2, 3, 3)


LIMITS = [
    ({"burst": 1, "requests_per_minute": 1}, "requests", "rate_limit_exceeded", None),
    ({"tokens_per_minute": 1}, "tokens", "rate_limit_exceeded", None),
    ({"tokens_per_day": 1}, "insufficient_quota", "insufficient_quota", "false"),
]


@pytest.mark.parametrize(("tier", "kind", "code", "should_retry"), LIMITS, ids=lambda value: str(value)[:24])
async def test_a_refusal_names_the_limit_and_when_it_frees(
    serve_members: Any, tier: dict[str, int], kind: str, code: str, should_retry: str | None
) -> None:
    members = await serve_members(EchoEngine(), tiers={"free": tier})
    ada = await members.key()
    assert (await members.api.post(CHAT, json=BODY, headers=ada)).status_code == 200
    answer = await members.api.post(CHAT, json=BODY, headers=ada)
    assert answer.status_code == 429
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == (kind, code)
    assert error["message"].startswith("The limit is 1 ")
    assert "It frees in " in error["message"]
    assert int(answer.headers["retry-after"]) > 2
    assert answer.headers.get("x-should-retry") == should_retry
    assert "ratelimit" in answer.headers
    assert len(await members.rows()) == 1


async def test_running_requests_are_limited(serve_members: Any, scripted: Any) -> None:
    members = await serve_members(scripted(stuck), limit_patience_seconds=0, tiers={"free": {"in_flight": 1}})
    ada, eve = await members.key(), await members.key("user_eve")
    async with members.api.stream("POST", CHAT, json=BODY | {"stream": True}, headers=ada):
        answer = await members.api.post(CHAT, json=BODY, headers=ada)
        assert (answer.status_code, answer.json()["error"]["type"]) == (429, "concurrency")
        async with members.api.stream("POST", CHAT, json=BODY | {"stream": True}, headers=eve) as other:
            assert other.status_code == 200


async def test_a_short_wait_is_waited_out(serve_members: Any) -> None:
    members = await serve_members(EchoEngine(), tiers={"free": {"burst": 1, "requests_per_minute": 1200}})
    ada = await members.key()
    answers = [await members.api.post(CHAT, json=BODY, headers=ada) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3


async def test_what_no_limit_can_hold_is_refused_for_good(serve_members: Any) -> None:
    members = await serve_members(EchoEngine(), tiers={"free": {"tokens_per_minute": 1}})
    ada = await members.key()
    answer = await members.api.post(CHAT, json=BODY | {"max_tokens": 4000}, headers=ada)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (429, "false")
    assert "can never pass" in answer.json()["error"]["message"]
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("max_tokens", [-1, 0, -(2**63), 2**63, 10**400, 1.5, "many"])
async def test_no_number_of_tokens_gives_budget_back(serve_members: Any, max_tokens: Any) -> None:
    members = await serve_members(EchoEngine())
    ada = await members.key()
    for path, body in ((CHAT, BODY), ("/v1/completions", {"model": "echo", "prompt": "x"})):
        answer = await members.api.post(path, json=body | {"max_tokens": max_tokens}, headers=ada)
        assert answer.status_code == 400
    assert await members.used(ada) == {"requests": 0, "tokens": 0, "tokens_per_day": 0, "in_flight": 0}


async def test_the_largest_number_of_tokens_is_no_more_than_the_context(serve_members: Any) -> None:
    members = await serve_members(EchoEngine())
    ada = await members.key()
    answer = await members.api.post(CHAT, json=BODY | {"max_tokens": 2**31 - 1}, headers=ada)
    assert answer.json()["error"]["code"] == "context_length_exceeded"
    assert (await members.used(ada))["tokens_per_day"] == 0


async def test_the_last_unit_of_a_quota_is_given_once(serve_members: Any) -> None:
    tier = {"burst": 3, "requests_per_minute": 1}
    members = await serve_members(EchoEngine(), limit_patience_seconds=0, tiers={"free": tier})
    ada = await members.key()
    answers = await asyncio.gather(*(members.api.post(CHAT, json=BODY, headers=ada) for _ in range(4)))
    more = await asyncio.gather(*(members.api.post(CHAT, json=BODY, headers=ada) for _ in range(8)))
    statuses = sorted(answer.status_code for answer in (*answers, *more))
    assert statuses == [200] * 3 + [429] * 9


async def test_a_model_that_a_key_may_not_use_costs_nothing(serve_members: Any) -> None:
    members = await serve_members(EchoEngine())
    ada = await members.key(models=("another",))
    answer = await members.api.post(CHAT, json=BODY, headers=ada)
    assert answer.status_code == 403
    assert (answer.json()["error"]["code"], answer.json()["error"]["param"]) == ("model_not_allowed", "model")
    assert (await members.used(ada))["requests"] == 0
    assert await members.rows() == []


async def test_guests_of_a_network_share_what_four_of_them_have(serve_members: Any) -> None:
    tiers = {
        "guest": {"burst": 2, "requests_per_minute": 1},
        "network": {"burst": 3, "requests_per_minute": 1},
    }
    members = await serve_members(EchoEngine(), tiers=tiers)
    statuses = []
    for name, network in (("a", "x"), ("a", "x"), ("a", "x"), ("b", "x"), ("c", "x"), ("c", "y")):
        answer = await members.api.post(CHAT, json=BODY, headers=members.guest(name, network))
        statuses.append(answer.status_code)
    # The third of `a` is over their own budget, `c` over the network's, which another network is not.
    assert statuses == [200, 200, 429, 200, 429, 200]
    assert (await members.used(members.guest("b", "x")))["requests"] == 3


async def test_a_line_before_the_engine_is_bounded_and_shown(serve_members: Any, scripted: Any) -> None:
    engine = scripted(stuck)
    members = await serve_members(engine, max_running=1, queue_waiting=1, hold_seconds=0.05)
    ada, eve = await members.key(), await members.key("user_eve")
    stream = BODY | {"stream": True}
    async with members.api.stream("POST", CHAT, json=stream, headers=ada):
        await engine.started.wait()
        async with members.api.stream("POST", CHAT, json=stream, headers=eve):
            queue = (await members.api.get("/v1/usage", headers=eve)).json()["queue"]
            assert (queue["running"], queue["waiting"]) == (1, 1)
            assert [place["position"] for place in queue["places"]] == [1]
            answer = await members.api.post(CHAT, json=BODY, headers=await members.key("user_bob"))
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "queue_full")
            assert "retry-after" in answer.headers
            health = (await members.api.get("/v1/health/ready")).json()["limits"]
            assert (health["queue_running"], health["queue_waiting"]) == (1, 1)
    await until_nothing_runs(members, eve)
    assert [row["caller"] for row in await members.rows()] == ["user_ada"]


async def test_prices_and_tiers_are_public(serve_members: Any) -> None:
    members = await serve_members(EchoEngine(), tiers={"free": {"burst": 3}})
    listed = (await members.api.get("/v1/models", headers=await members.key())).json()
    (echo,) = [model for model in listed["data"] if model["id"] == "echo"]
    assert echo["weights"] == {VARIANT: 0.01}
    tiers = {tier["name"]: tier for tier in listed["tiers"]}
    assert (tiers["free"]["burst"], tiers["free"]["requests_per_minute"]) == (3, 40)
