"""Does exported code say exactly what was asked?"""

import ast
import json
import shlex
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nemotron_app.ui import snippets

TEXT = st.text(st.characters(codec="utf-8"), max_size=60)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "model": draw(TEXT),
        "messages": [{"role": "user", "content": draw(TEXT)}],
        "temperature": draw(st.floats(0, 2)),
        "max_tokens": draw(st.integers(1, 10_000)),
        "stop": draw(st.lists(TEXT, max_size=3)),
        "top_k": draw(st.integers(0, 100)),
        "chat_template_kwargs": {"enable_thinking": draw(st.booleans())},
        "logprobs": draw(st.booleans()),
        "nvext": {
            "size": draw(TEXT),
            "precision": "fp8",
            "decode": "diffusion",
            "num_steps": draw(st.integers(1, 32)),
            "thinking_size": draw(TEXT),
            "canvas": True,
        },
    }


def _call(code: str, name: str) -> ast.Call:
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    return next(c for c in calls if name in (getattr(c.func, "attr", ""), getattr(c.func, "id", "")))


def _keywords(code: str, name: str = "create") -> dict[str, Any]:
    words = {word.arg: word.value for word in _call(code, name).keywords if word.arg}
    return {arg: ast.literal_eval(value) for arg, value in words.items() if arg != "api_key"}


@given(bodies())
def test_python_passes_every_field_and_the_extra_ones_as_extra_body(body: dict[str, Any]) -> None:
    passed = _keywords(snippets.python(body, "http://127.0.0.1:7860"))
    extra = passed.pop("extra_body")
    assert {name: passed.pop(name) for name in ("stream", "stream_options")}
    assert passed | extra == body
    assert set(extra) == {"top_k", "chat_template_kwargs", "nvext"}


@given(bodies())
def test_langchain_passes_every_field_to_the_model_and_the_messages_to_the_stream(
    body: dict[str, Any],
) -> None:
    code = snippets.langchain(body, "http://127.0.0.1:7860")
    passed = _keywords(code, "ChatNVIDIA")
    further = passed.pop("model_kwargs")
    passed["max_tokens"] = passed.pop("max_completion_tokens")
    assert passed.pop("base_url") == "http://127.0.0.1:7860/v1"
    told = ast.literal_eval(_call(code, "stream").args[0])
    messages = [{"role": role, "content": content} for role, content in told]
    assert {**passed, **further, "messages": messages} == body


@given(bodies())
def test_curl_sends_every_field_whatever_the_shell_makes_of_quotes(body: dict[str, Any]) -> None:
    words = shlex.split(snippets.curl(body, "http://127.0.0.1:7860").replace("\\\n", ""))
    sent = json.loads(words[words.index("--data-raw") + 1])
    assert sent.pop("stream") is True
    assert sent.pop("stream_options") == {"include_usage": True}
    assert sent == body


@given(bodies())
def test_node_sends_every_field(body: dict[str, Any]) -> None:
    code = snippets.node(body, "http://127.0.0.1:7860")
    argument = code.partition("create(")[2].partition(");\nfor await")[0]
    sent = json.loads(argument)
    assert {name: sent[name] for name in body} == body


def test_the_address_is_the_visitors_own() -> None:
    for write in (snippets.python, snippets.curl, snippets.node, snippets.langchain):
        assert "https://play.example/v1" in write({"model": "m", "messages": []}, "https://play.example")
