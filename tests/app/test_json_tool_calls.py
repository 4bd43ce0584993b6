"""Do calls that models write as JSON come out of an answer, and only those?"""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nemotron_app.wire.tool_calls import Heard, whole_calls
from nemotron_app.wire.tool_syntax import CallReader, reader_of
from nemotron_backend.catalog import ToolSyntax

OSLO = '{"name": "weather", "arguments": {"city": "Oslo", "days": 3}}'
CALLS = [("weather", {"city": "Oslo", "days": 3})]
BARE = '{"name": "weather", "parameters": {"city": "Oslo", "days": 3}}'


def hear(syntax: ToolSyntax, *pieces: str, is_single: bool = False, is_whole: bool = True) -> Any:
    """Content, and the name and arguments of each call."""
    heard = read(reader_of(syntax, (), is_single=is_single), pieces, is_whole=is_whole)
    made = [call["function"] for call in whole_calls(heard.calls)]
    return heard.text, [(function["name"], json.loads(function["arguments"])) for function in made]


def read(reader: CallReader, pieces: tuple[str, ...], *, is_whole: bool) -> Heard:
    heard = Heard()
    for piece in pieces:
        heard += reader.push(piece)
    return heard + reader.finish(is_whole=is_whole)


@pytest.mark.parametrize(
    ("text", "content", "calls"),
    [
        (f"<toolcall> {OSLO} </toolcall>", "", CALLS),
        (f"Let me look.\n<toolcall> {OSLO} </toolcall>\n", "Let me look.", CALLS),
        (f"<toolcall> {OSLO} </toolcall> <toolcall> {OSLO} </toolcall> ", "", CALLS * 2),
        (f"<TOOLCALL>[{OSLO}, {OSLO}]</TOOLCALL>", "", CALLS * 2),
        (f"<toolcall>{OSLO}\n{OSLO}</toolcall> Done.", "Done.", CALLS * 2),
        (f'<toolcall>{{"type": "function", "function": {OSLO}}}</toolcall>', "", CALLS),
        ('<toolcall>{"name": "now"}</toolcall>', "", [("now", {})]),
        ('<toolcall>{"name": "f", "arguments": "{\\"a\\": \\"é\\"}"}</toolcall>', "", [("f", {"a": "é"})]),
        (f"<toolcall> {OSLO}", "", CALLS),
        ("<toolcall> Oslo </toolcall>", "<toolcall> Oslo </toolcall>", []),
        ("<toolcall>[]</toolcall>", "<toolcall>[]</toolcall>", []),
        ('<toolcall>{"name": 3}</toolcall>', '<toolcall>{"name": 3}</toolcall>', []),
        ('<toolcall>{"name": "f", "arguments": {"a": NaN}}</toolcall>', None, []),
        ("[" * 100_000, None, []),
        (f"<toolcall>{'[' * 100_000}</toolcall>", None, []),
        ("a <tool of mine>\n", None, []),
        ("<toolcall", None, []),
        (OSLO, None, []),
    ],
    ids=lambda value: str(value)[:40],
)
def test_calls_stand_between_tags(text: str, content: str | None, calls: list[Any]) -> None:
    assert hear("toolcall", text) == (text if content is None else content, calls)


@pytest.mark.parametrize(
    ("text", "content", "calls"),
    [
        (BARE, "", CALLS),
        (f"\n {BARE}; {BARE}", "", CALLS * 2),
        (f"<|python_tag|>{BARE}", "", CALLS),
        (f"Sure: {BARE}", None, []),
        ('{"a": 1}', None, []),
        (f"{BARE} and that is it", None, []),
        ("Hello", None, []),
        ("", None, []),
        ("<|pyth", None, []),
    ],
    ids=lambda value: str(value)[:40],
)
def test_calls_are_all_of_an_answer(text: str, content: str | None, calls: list[Any]) -> None:
    assert hear("llama3_json", text) == (text if content is None else content, calls)


@pytest.mark.parametrize("syntax", ["toolcall", "llama3_json"])
def test_a_call_that_was_cut_off_stays_text(syntax: ToolSyntax) -> None:
    text = f"<toolcall> {OSLO}" if syntax == "toolcall" else BARE
    assert hear(syntax, text, is_whole=False) == (text, [])


@pytest.mark.parametrize("text", [f"<toolcall>[{OSLO}, {OSLO}]</toolcall> more", f"{BARE};{BARE}"])
def test_the_first_call_may_be_the_only_one_that_is_wanted(text: str) -> None:
    syntax: ToolSyntax = "toolcall" if "<" in text else "llama3_json"
    assert hear(syntax, text, is_single=True) == ("", CALLS)


@given(text=st.text(alphabet='{}[]<toolca/> \n"e1'), places=st.lists(st.integers(0, 60), max_size=6))
@example(text=f"See:\n<toolcall> {OSLO} </toolcall>\n\nDone.", places=[5, 9, 17, 30])
@example(text=f"<toolcall>{BARE}</toolcall> <toolcall>{OSLO}</toolcall>", places=[1, 40])
@example(text=BARE, places=[1, 2, 30])
def test_pieces_say_the_same_as_the_whole(text: str, places: list[int]) -> None:
    cuts = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    pieces = [text[begin:end] for begin, end in pairwise(cuts)]
    for syntax in ("toolcall", "llama3_json"):
        assert hear(syntax, *pieces) == hear(syntax, text)


def test_text_before_a_call_is_told_at_once() -> None:
    reader = reader_of("toolcall", (), is_single=False)
    assert reader.push("Let me look").text == "Let me look"
    assert reader.push(".\n<tool").text == "."
    assert reader.push("box>").text == "\n<toolbox>"
