"""Does what NVIDIA publishes for its reward models work here as it stands?"""

from typing import Any

import pytest
from langchain_nvidia_ai_endpoints import ChatNVIDIA
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from nemotron_backend.rewards import ATTRIBUTES

MODEL = "echo-reward"
QUESTION = "I am going to Paris, what should I see?"
RESPONSE = "Ah, Paris, the City of Light! There are so many amazing things to see and do there."
MESSAGES: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": QUESTION},
    {"role": "assistant", "content": RESPONSE},
]


@pytest.fixture
def client(echo_url: str) -> OpenAI:
    return OpenAI(base_url=echo_url, api_key="none", max_retries=0)


def _parse(content: str) -> dict[str, float]:
    """As NIM's documentation does."""
    pairs = [pair.split(":") for pair in content.split(",")]
    return {attribute: float(score) for attribute, score in pairs}


def test_the_documented_call_gives_five_attributes(client: OpenAI) -> None:
    with client:
        response = client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=False)
    content = response.choices[0].message.content
    assert content is not None
    rewards = _parse(content)
    assert tuple(rewards) == ATTRIBUTES
    assert response.choices[0].message.role == "assistant"


def test_scores_stand_among_the_logprobs_as_curators_read_them(client: OpenAI) -> None:
    with client:
        response = client.chat.completions.create(messages=MESSAGES, model=MODEL)
    (choice,) = response.choices
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    scores = {score.token: score.logprob for score in choice.logprobs.content}
    assert choice.message.content is not None
    assert scores == _parse(choice.message.content)


def test_langchains_client_takes_it_for_a_chat_model(echo_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NVIDIA_API_KEY", raising=False)
    chat = ChatNVIDIA(base_url=echo_url, model=MODEL, nvidia_api_key="none")
    answer = chat.invoke([("user", QUESTION), ("assistant", RESPONSE)])
    assert isinstance(answer.content, str)
    assert tuple(_parse(answer.content)) == ATTRIBUTES
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == 0


def test_the_better_of_two_answers_is_found_with_nvidias_weights(client: OpenAI) -> None:
    texts = ("Go.", f"{RESPONSE} Begin with the river. Then climb a hill!")

    def reward(text: str) -> float:
        messages: list[Any] = [MESSAGES[0], {"role": "assistant", "content": text}]
        answer = client.chat.completions.create(model=MODEL, messages=messages)
        nvext: dict[str, float] = answer.model_dump()["nvext"]
        return nvext["reward"]

    with client:
        assert reward(texts[0]) < reward(texts[1])
