"""Do the numbers add up, and do prompts and keys stay out of them?"""

import json
import logging
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

CHAT = "/v1/chat/completions"
CANARY = "xyzzy-canary-7f3a"
VARIANT = {"model": "echo", "size": "full", "precision": "bf16", "decode": "autoregressive"}


def ask(text: str = "hello", **fields: Any) -> dict[str, Any]:
    return {"model": "echo", "messages": [{"role": "user", "content": text}], **fields}


async def samples(api: httpx.AsyncClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = (await api.get("/metrics")).text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


async def test_requests_and_tokens_are_counted_by_variant(api: httpx.AsyncClient) -> None:
    await api.post(CHAT, json=ask("hello"))
    await api.post(CHAT, json=ask("hi", stream=True))
    await api.post(CHAT, json=ask(temperature=9))
    found = await samples(api)
    none = dict.fromkeys(VARIANT, "")
    assert found[key("playground_requests_total", route=CHAT, status="200", **VARIANT)] == 2
    assert found[key("playground_requests_total", route=CHAT, status="400", **none)] == 1
    assert found[key("playground_tokens_total", kind="completion", **VARIANT)] == 7
    assert found[key("playground_time_to_first_token_seconds_count", **VARIANT)] == 2
    assert found[key("playground_tokens_per_forward_sum", **VARIANT)] == 2.0
    assert found[key("playground_engine_ready")] == 1
    assert found[key("playground_active_requests")] == 0


async def test_a_made_up_path_makes_no_label(api: httpx.AsyncClient) -> None:
    await api.get(f"/{CANARY}")
    await api.get(f"/v1/{CANARY}")
    await api.get(f"/v1/models/{CANARY}")
    assert CANARY not in (await api.get("/metrics")).text


async def test_each_request_is_one_line_of_json(
    api: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "nemotron_app.requests"):
        response = await api.post(CHAT, json=ask("hello"))
    line = json.loads(caplog.messages[-1])
    assert line["request_id"] == response.headers["x-request-id"]
    assert line["http.response.status_code"] == 200
    assert line["gen_ai.request.model"] == "echo"
    assert line["gen_ai.response.model"] == "echo:full:bf16:autoregressive"
    assert line["gen_ai.usage.input_tokens"] == 5
    assert line["gen_ai.usage.output_tokens"] == 5
    assert line["gen_ai.response.finish_reasons"] == ["stop"]


async def test_prompts_answers_and_keys_are_nowhere_in_logs_errors_or_metrics(
    api: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"authorization": f"Bearer {CANARY}"}
    bad = [
        ask(CANARY, temperature=9),
        ask(CANARY, max_tokens=100_000),
        {"model": "echo", "messages": CANARY},
        {"model": "echo", "messages": [{"role": CANARY, "content": CANARY}]},
        {"model": "echo", "messages": [{"role": "user", "content": [{"type": CANARY}]}]},
        ask(stop=[CANARY * 100]),
        ask(user=CANARY, nvext={"trace": CANARY}),
    ]
    with caplog.at_level(logging.DEBUG):
        await api.post(CHAT, json=ask(CANARY), headers=headers)
        await api.post(CHAT, json=ask(CANARY, stream=True), headers=headers)
        for body in bad:
            response = await api.post(CHAT, json=body, headers=headers)
            assert response.status_code == 400
            assert CANARY not in response.text
    ours = [record for record in caplog.records if record.name.startswith(("nemotron", "uvicorn"))]
    assert len(ours) >= len(bad) + 2
    assert not any(CANARY in record.getMessage() for record in ours)
    assert CANARY not in (await api.get("/metrics")).text


async def test_a_health_check_is_counted_but_leaves_no_line(
    api: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="nemotron_app.requests")
    await api.get("/v1/health/ready")
    await api.get("/v1/models")
    assert [json.loads(record.message)["http.route"] for record in caplog.records] == ["/v1/models"]
    assert 'route="/v1/health/ready"' in (await api.get("/metrics")).text
