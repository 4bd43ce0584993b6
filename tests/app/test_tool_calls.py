"""Do calls of tools come out of the text of an answer, and only those?"""

import json
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nemotron_app.wire.chat import ToolSpec
from nemotron_app.wire.tool_calls import Heard, ToolCallReader, whole_calls

_PROPERTIES: dict[str, Any] = {
    "city": {"type": "string"},
    "days": {"type": "integer"},
    "exact": {"type": "boolean"},
    "box": {"type": "object"},
    "maybe": {"anyOf": [{"type": "number"}, {"type": "null"}]},
    "name": {"type": ["string", "null"]},
}
_WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": _PROPERTIES}},
}


def call(name: str = "get_weather", /, **arguments: str) -> str:
    inner = "".join(f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in arguments.items())
    return f"<tool_call>\n<function={name}>\n{inner}</function>\n</tool_call>"


def reader(*, is_single: bool = False) -> ToolCallReader:
    return ToolCallReader([ToolSpec.model_validate(_WEATHER)], is_single=is_single)


def hear(text: str, *, is_single: bool = False, is_whole: bool = True) -> tuple[str, list[tuple[str, Any]]]:
    """Content, and the name and arguments of each call."""
    own = reader(is_single=is_single)
    heard = own.push(text) + own.finish(is_whole=is_whole)
    return heard.text, [
        (made["function"]["name"], json.loads(made["function"]["arguments"]))
        for made in whole_calls(heard.calls)
    ]


def test_a_call_becomes_json_of_the_types_that_its_schema_gives() -> None:
    text = call(city="Oslo", days="3", exact="true", box='{"a": [1]}', maybe="null", name="12")
    expected = {"city": "Oslo", "days": 3, "exact": True, "box": {"a": [1]}, "maybe": None, "name": "12"}
    assert hear(text) == ("", [("get_weather", expected)])


@pytest.mark.parametrize(
    ("argument", "text", "value"),
    [
        ("days", "three", "three"),
        ("exact", "True", True),
        ("maybe", "None", None),
        ("maybe", "NaN", "NaN"),
        ("name", "null", None),
        ("city", "null", "null"),
        ("city", 'a "quoted"\nline\\', 'a "quoted"\nline\\'),
        ("city", "", ""),
        ("unheard_of", "5", "5"),
    ],
)
def test_what_does_not_fit_its_type_stays_text(argument: str, text: str, value: Any) -> None:
    assert hear(call(**{argument: text})) == ("", [("get_weather", {argument: value})])


def test_text_before_and_calls_one_after_another() -> None:
    text = f"Let me look.\n{call(city='Oslo')}\n{call(city='Lima')}\n"
    calls = [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Lima"})]
    assert hear(text) == ("Let me look.", calls)
    assert hear(text, is_single=True) == ("Let me look.", calls[:1])


def test_a_call_without_arguments_has_an_empty_object() -> None:
    assert hear(call("now")) == ("", [("now", {})])


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "a < b and <tool",
        "<tool_call>",
        "<tool_call>\nno function</tool_call>",
        "<tool_call><function=",
        "</tool_call> <function=f>",
        "two\nlines\n",
    ],
)
def test_what_is_no_call_stays_text(text: str) -> None:
    assert hear(text) == (text, [])


def test_a_call_that_is_cut_short_is_told_as_far_as_it_came() -> None:
    text = call(city="Oslo", days="3").removesuffix("\n</parameter>\n</function>\n</tool_call>")
    own = reader()
    heard = own.push(text) + own.finish(is_whole=False)
    (made,) = whole_calls(heard.calls)
    assert made["function"] == {"name": "get_weather", "arguments": '{"city": "Oslo"'}
    unclosed = call(city="Oslo").removesuffix("</function>\n</tool_call>")
    assert hear(unclosed) == ("", [("get_weather", {"city": "Oslo"})])


_PIECES = st.sampled_from(
    [call(city="Oslo"), call(days="4", name="x"), "text ", "\n", "<tool_call>", "</tool_call>", "<tool", "é"]
)


@given(pieces=st.lists(_PIECES, max_size=6), cuts=st.lists(st.integers(1, 9), min_size=1, max_size=12))
@example(pieces=[call(city="Oslo"), "\n", "text ", call(city="Oslo")], cuts=[1])
@example(pieces=[call(city="Oslo"), "one\n", "\ntwo"], cuts=[1])
def test_a_stream_says_what_the_whole_says(pieces: list[str], cuts: list[int]) -> None:
    text = "".join(pieces)
    whole, streamed, own = reader(), Heard(), reader()
    expected = whole.push(text) + whole.finish(is_whole=True)
    place = number = 0
    while place < len(text):
        size = cuts[number % len(cuts)]
        streamed += own.push(text[place : place + size])
        place, number = place + size, number + 1
    streamed += own.finish(is_whole=True)
    assert streamed.text == expected.text
    assert [made["function"] for made in whole_calls(streamed.calls)] == [
        made["function"] for made in whole_calls(expected.calls)
    ]


PATH = "/v1/chat/completions"


def ask(text: str, **fields: Any) -> dict[str, Any]:
    own = {"model": "echo-thinker", "tools": [_WEATHER], "chat_template_kwargs": {"enable_thinking": False}}
    return own | {"messages": [{"role": "user", "content": text}]} | fields


async def test_an_answer_ends_for_its_calls(api: httpx.AsyncClient) -> None:
    answer = (await api.post(PATH, json=ask(call(city="Oslo")))).json()
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    (made,) = choice["message"]["tool_calls"]
    assert made["function"] == {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
    assert made["type"] == "function"
    assert made["id"].startswith("call_")


async def test_without_tools_the_text_stays_as_it_is(api: httpx.AsyncClient) -> None:
    for fields in ({"tools": None}, {"tool_choice": "none"}):
        answer = (await api.post(PATH, json=ask(call(city="Oslo"), **fields))).json()
        assert answer["choices"][0]["finish_reason"] == "stop"
        assert answer["choices"][0]["message"]["content"] == call(city="Oslo")


async def test_a_cut_answer_ends_for_its_length(api: httpx.AsyncClient) -> None:
    answer = (await api.post(PATH, json=ask(call(city="Oslo"), max_tokens=40))).json()
    assert answer["choices"][0]["finish_reason"] == "length"


async def test_calls_and_their_results_reach_the_model(api: httpx.AsyncClient) -> None:
    asked = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": [asked]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]
    answer = (await api.post(PATH, json=ask("", messages=messages))).json()
    assert answer["choices"][0]["message"]["content"] == "sunny"


_LIST = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "[1]"}}
_DEEP = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "[" * 100_000}}


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "tool", "content": "x"}, "messages[0].tool_call_id"),
        ({"role": "tool", "content": "x", "tool_call_id": "call_9"}, "messages[0].tool_call_id"),
        ({"role": "assistant", "tool_calls": [_LIST]}, "messages[0].tool_calls[0].function.arguments"),
        ({"role": "assistant", "tool_calls": [_DEEP]}, "messages[0].tool_calls[0].function.arguments"),
    ],
    ids=["no id", "unknown id", "a list", "deep"],
)
async def test_calls_that_make_no_sense_are_refused(
    api: httpx.AsyncClient, message: dict[str, Any], param: str
) -> None:
    response = await api.post(PATH, json=ask("", messages=[message]))
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
async def test_a_call_cannot_be_forced(api: httpx.AsyncClient, choice: Any) -> None:
    error = (await api.post(PATH, json=ask("x", tool_choice=choice))).json()["error"]
    assert (error["param"], error["code"]) == ("tool_choice", "unsupported_field")
