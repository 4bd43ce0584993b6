"""Does a reward model answer as NVIDIA's do?"""

import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
import pytest

from nemotron_backend.echo import REWARD
from nemotron_backend.request import Delta, GenerationRequest, Score, Usage
from nemotron_backend.rewards import ATTRIBUTES, scalar

PARIS = [
    {"role": "user", "content": "I am going to Paris, what should I see?"},
    {
        "role": "assistant",
        "content": "Ah, Paris, the City of Light! There are so many amazing things to see.",
    },
]
# What NVIDIA's documentation shows for this conversation.
DOCUMENTED = dict(zip(ATTRIBUTES, (1.6171875, 1.6484375, 3.3125, 0.546875, 0.515625), strict=True))


def _body(**changes: Any) -> dict[str, Any]:
    return {"model": "echo-reward", "messages": PARIS} | changes


@pytest.fixture
async def judge(serve: Callable[..., Any], scripted: Callable[..., Any], usage: Usage) -> httpx.AsyncClient:
    """A server whose model says what NVIDIA's documentation shows."""

    async def script(request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        scores = tuple(Score(name=name, value=value) for name, value in DOCUMENTED.items())
        yield Delta(index=0, scores=scores, finish="stop", usage=usage)

    client: httpx.AsyncClient = await serve(scripted(script, variants=(REWARD,)))
    return client


async def test_content_and_logprobs_are_those_of_the_documentation(judge: httpx.AsyncClient) -> None:
    answer = (await judge.post("/v1/chat/completions", json=_body())).json()
    (choice,) = answer["choices"]
    pairs = [pair.split(":") for pair in choice["message"]["content"].split(",")]
    assert {name: float(value) for name, value in pairs} == pytest.approx(DOCUMENTED, abs=1e-5)
    items = choice["logprobs"]["content"]
    assert {item["token"]: item["logprob"] for item in items} == pytest.approx(DOCUMENTED, abs=1e-5)
    assert choice["message"]["role"] == "assistant"
    assert choice["finish_reason"] == "stop"


async def test_nvidias_weights_make_one_number_of_five(judge: httpx.AsyncClient) -> None:
    answer = (await judge.post("/v1/chat/completions", json=_body())).json()
    expected = 0.3 * 1.6171875 + 0.74 * 1.6484375 + 0.46 * 3.3125 + 0.47 * 0.546875 - 0.33 * 0.515625
    assert answer["nvext"]["reward"] == pytest.approx(expected, abs=1e-5)
    assert scalar({"reward": -3.5}) == -3.5


async def test_a_stream_brings_the_same_scores(api: httpx.AsyncClient) -> None:
    whole = (await api.post("/v1/chat/completions", json=_body())).json()["choices"][0]
    text = (await api.post("/v1/chat/completions", json=_body(stream=True))).text
    events = [json.loads(line[6:]) for line in text.split("\n\n") if line.startswith("data: {")]
    choices = [choice for event in events for choice in event["choices"]]
    assert "".join(c["delta"].get("content", "") for c in choices) == whole["message"]["content"]
    assert next(c["logprobs"] for c in choices if c["logprobs"]) == whole["logprobs"]
    assert [c["finish_reason"] for c in choices if c["finish_reason"]] == ["stop"]


async def test_no_token_is_made_and_the_prompt_is_counted(api: httpx.AsyncClient) -> None:
    usage = (await api.post("/v1/chat/completions", json=_body())).json()["usage"]
    counted = (await api.post("/tokenize", json={"model": "echo-reward", "messages": PARIS})).json()["count"]
    assert usage["completion_tokens"] == 0
    assert usage["prompt_tokens"] == usage["total_tokens"] == counted


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 0.7),
        ("top_p", 0.9),
        ("top_k", 5),
        ("logit_bias", {"5": 1.0}),
        ("n", 2),
        ("stop", ["x"]),
        ("top_logprobs", 3),
        ("reasoning_budget", 7),
    ],
)
async def test_what_only_matters_to_tokens_is_refused(api: httpx.AsyncClient, field: str, value: Any) -> None:
    response = await api.post("/v1/chat/completions", json=_body(**{field: value}))
    assert response.status_code == 400
    assert response.json()["error"]["param"] == field
    assert "echo-reward" in response.json()["error"]["message"]


async def test_what_clients_always_send_is_taken(api: httpx.AsyncClient) -> None:
    sent = {"max_tokens": 1024, "temperature": 0.0, "top_p": 1.0, "stream": False, "logprobs": True, "n": 1}
    assert (await api.post("/v1/chat/completions", json=_body(**sent))).status_code == 200


async def test_a_conversation_must_end_with_the_answer(api: httpx.AsyncClient) -> None:
    response = await api.post("/v1/chat/completions", json=_body(messages=PARIS[:1]))
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, "messages[0].role")
    assert "put the answer behind the question" in error["message"]


async def test_texts_are_not_continued(api: httpx.AsyncClient) -> None:
    response = await api.post("/v1/completions", json={"model": "echo-reward", "prompt": "Once"})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "model")
    assert "/v1/chat/completions" in response.json()["error"]["message"]


async def test_the_list_of_models_says_that_it_judges(api: httpx.AsyncClient) -> None:
    model = (await api.get("/v1/models/echo-reward")).json()
    assert (model["kind"], model["model_type"], model["served"]) == ("reward", "reward", True)


async def test_many_answers_are_scored_in_one_call(api: httpx.AsyncClient) -> None:
    texts = ["one", "one two", "one two three"]
    answers = [{"id": f"row-{text}", "messages": [PARIS[0], _answer(text)]} for text in texts]
    response = await api.post("/v1/scores", json={"model": "echo-reward", "answers": answers})
    assert response.headers["content-type"] == "application/jsonl"
    lines = sorted(map(json.loads, response.text.splitlines()), key=lambda line: line["index"])
    assert [line["id"] for line in lines] == [answer["id"] for answer in answers]
    for text, line in zip(texts, lines, strict=True):
        alone = await api.post("/v1/chat/completions", json=_body(messages=[PARIS[0], _answer(text)]))
        assert line["reward"] == alone.json()["nvext"]["reward"]
        assert set(line["scores"]) == set(ATTRIBUTES)


@pytest.mark.parametrize(
    ("model", "messages", "param"),
    [
        ("echo", PARIS, "model"),
        ("echo-reward", PARIS[:1], "answers[1].messages[0].role"),
        ("echo-reward", [PARIS[0], {"role": "assistant", "content": "x" * 5000}], "answers[1].messages"),
    ],
)
async def test_one_bad_answer_is_named_and_none_is_scored(
    api: httpx.AsyncClient, model: str, messages: Any, param: str
) -> None:
    body = {"model": model, "answers": [{"messages": PARIS}, {"messages": messages}]}
    response = await api.post("/v1/scores", json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


async def test_scores_are_charged_as_all_else(
    serve_members: Callable[..., Any], scripted: Callable[..., Any], usage: Usage
) -> None:
    async def script(request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        yield Delta(index=0, scores=(Score(name="reward", value=1.0),), finish="stop", usage=usage)

    members = await serve_members(scripted(script, variants=(REWARD,)))
    headers = await members.key()
    answers = [{"messages": PARIS}] * 3
    response = await members.api.post(
        "/v1/scores", json={"model": "echo-reward", "answers": answers}, headers=headers
    )
    assert response.status_code == 200, response.text
    assert len(response.text.splitlines()) == 3
    (row,) = await members.rows()
    assert (row["status"], row["variant"], row["completion_tokens"]) == ("done", str(REWARD), 15)
    assert row["prompt_tokens"] == 3 * len(PARIS[1]["content"])
    assert (await members.used(headers))["tokens_per_day"] > 0
    other = await members.key(scopes=("usage:read",))
    refused = await members.api.post("/v1/scores", json={"model": "echo-reward"}, headers=other)
    assert refused.status_code == 403


def _answer(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}
