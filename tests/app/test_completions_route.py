"""Does a plain text go on as OpenAI's clients expect?"""

import json
from typing import Any

import httpx
import pytest

PATH = "/v1/completions"


def ask(prompt: Any = "hello", **fields: Any) -> dict[str, Any]:
    return {"model": "echo", "prompt": prompt, **fields}


async def test_a_text_goes_on(api: httpx.AsyncClient) -> None:
    answer = (await api.post(PATH, json=ask())).json()
    assert answer["object"] == "text_completion"
    assert answer["id"].startswith("cmpl-")
    assert answer["choices"] == [{"index": 0, "text": "hello", "logprobs": None, "finish_reason": "stop"}]


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("ab", ["ab"]),
        ("", [""]),
        (["ab", "cd"], ["ab", "cd"]),
        ([97, 98], ["ab"]),
        ([[97], [98, 99]], ["a", "bc"]),
    ],
    ids=str,
)
async def test_every_kind_of_prompt_is_read(api: httpx.AsyncClient, prompt: Any, texts: list[str]) -> None:
    answer = (await api.post(PATH, json=ask(prompt, max_tokens=5))).json()
    assert [choice["text"] for choice in answer["choices"]] == texts


async def test_prompts_times_n_are_numbered_through(api: httpx.AsyncClient) -> None:
    answer = (await api.post(PATH, json=ask(["a", "b"], n=2))).json()
    assert [(c["index"], c["text"]) for c in answer["choices"]] == [(0, "a"), (1, "a"), (2, "b"), (3, "b")]
    assert answer["usage"]["prompt_tokens"] == 2
    assert answer["usage"]["completion_tokens"] == 4


async def test_a_stream_of_several_prompts_ends_once(api: httpx.AsyncClient) -> None:
    response = await api.post(PATH, json=ask(["ab", "c"], stream=True))
    frames = [frame for frame in response.text.split("\n\n") if frame]
    assert frames.count("data: [DONE]") == 1
    chunks = [json.loads(frame.removeprefix("data: ")) for frame in frames[:-1]]
    texts = {0: "", 1: ""}
    for chunk in chunks:
        texts[chunk["choices"][0]["index"]] += chunk["choices"][0]["text"]
    assert texts == {0: "ab", 1: "c"}
    assert sum("nvext" in chunk for chunk in chunks) == 1


async def test_log_probabilities_have_the_old_shape(api: httpx.AsyncClient) -> None:
    answer = (await api.post(PATH, json=ask("ab", logprobs=0))).json()
    assert answer["choices"][0]["logprobs"] == {
        "tokens": ["a", "b"],
        "token_logprobs": [0.0, 0.0],
        "top_logprobs": [{}, {}],
        "text_offset": [0, 1],
    }


async def test_offsets_go_on_through_a_stream(api: httpx.AsyncClient) -> None:
    response = await api.post(PATH, json=ask("abc", logprobs=0, stream=True))
    chunks = [json.loads(f.removeprefix("data: ")) for f in response.text.split("\n\n") if "choices" in f]
    logprobs = [chunk["choices"][0]["logprobs"] for chunk in chunks]
    assert [each["text_offset"] for each in logprobs if each] == [[0], [1], [2]]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"suffix": "end"}, "suffix"),
        ({"echo": True}, "echo"),
        ({"best_of": 3}, "best_of"),
        ({"prompt": []}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": [1, "a"]}, "prompt"),
        ({"prompt": [-1]}, "prompt"),
        ({"prompt": ["a"] * 17}, "prompt"),
        ({"logprobs": 21}, "logprobs"),
        ({"prompt": [1 << 30]}, "tokens"),
    ],
    ids=str,
)
async def test_what_is_not_served_is_named(
    api: httpx.AsyncClient, fields: dict[str, Any], param: str
) -> None:
    response = await api.post(PATH, json=ask() | fields)
    assert response.status_code == 400
    assert response.json()["error"]["param"].partition("[")[0] == param


async def test_what_asks_for_nothing_is_accepted(api: httpx.AsyncClient) -> None:
    fields = {"echo": False, "suffix": None, "best_of": 2, "n": 2}
    assert (await api.post(PATH, json=ask(**fields))).status_code == 200
