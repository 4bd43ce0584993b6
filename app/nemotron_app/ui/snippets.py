"""Which code, in which language, repeats a run exactly?

A key is read from the environment, so that code can be passed on; a server with a single user needs none.
"""

import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from nemotron_app.ui.recipe import EXTRA_FIELDS

Body = Mapping[str, Any]

KEY_VARIABLE = "NEMOTRON_PLAYGROUND_API_KEY"
_PYTHON_WORDS = {True: "True", False: "False", None: "None"}


def curl(body: Body, origin: str) -> str:
    """A shell command that prints the events as they come."""
    streamed = {**body, **_STREAM}
    return "\n".join(
        (
            f"curl --no-buffer {shlex.quote(f'{origin}/v1/chat/completions')} \\",
            "  --header 'Content-Type: application/json' \\",
            f'  --header "Authorization: Bearer ${{{KEY_VARIABLE}:-none}}" \\',
            f"  --data-raw {shlex.quote(as_json(streamed))}",
        )
    )


def python(body: Body, origin: str) -> str:
    """A Python program that prints the answer as it comes; needs `pip install openai`."""
    return f"""\
import os

from openai import OpenAI

key = os.environ.get("{KEY_VARIABLE}", "none")
client = OpenAI(base_url={_text(f"{origin}/v1")}, api_key=key)

stream = client.chat.completions.create(
{_python_arguments(body)}
)
for chunk in stream:
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
print()
"""


def node(body: Body, origin: str) -> str:
    """A JavaScript module that prints the answer as it comes; needs `npm install openai`."""
    return f"""\
import OpenAI from "openai";

const apiKey = process.env.{KEY_VARIABLE} ?? "none";
const client = new OpenAI({{ baseURL: {_text(f"{origin}/v1")}, apiKey }});

const stream = await client.chat.completions.create({as_json({**body, **_STREAM})});
for await (const chunk of stream) {{
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
}}
process.stdout.write("\\n");
"""


def langchain(body: Body, origin: str) -> str:
    """A LangChain program that prints the answer; needs `pip install langchain-nvidia-ai-endpoints`."""
    messages = [(message["role"], message["content"]) for message in body["messages"]]
    named = {called: body[name] for name, called in _LANGCHAIN_FIELDS.items() if name in body}
    further = {name: value for name, value in body.items() if name not in {*_LANGCHAIN_FIELDS, "messages"}}
    return f"""\
import os

from langchain_nvidia_ai_endpoints import ChatNVIDIA

model = ChatNVIDIA(
    base_url={_text(f"{origin}/v1")},
    api_key=os.environ.get("{KEY_VARIABLE}", "none"),
{_arguments(named | {"model_kwargs": further})}
)
for chunk in model.stream({_literal(messages, 0)}):
    print(chunk.content, end="", flush=True)
print()
"""


def raw(body: Body, origin: str) -> str:
    """The body alone."""
    return as_json(body)


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


# What ChatNVIDIA has parameters for, and how it calls them; it passes on all else.
_LANGCHAIN_FIELDS = {
    "model": "model",
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "max_completion_tokens",
    "seed": "seed",
    "stop": "stop",
}
_STREAM: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}

# What a listing is in, and what writes it.
SNIPPETS: Mapping[str, Callable[[Body, str], str]] = {
    "python": python,
    "bash": curl,
    "javascript": node,
    "langchain": langchain,
    "json": raw,
}


def _python_arguments(body: Body) -> str:
    plain = {name: value for name, value in body.items() if name not in EXTRA_FIELDS} | _STREAM
    extra = {name: value for name, value in body.items() if name in EXTRA_FIELDS}
    return _arguments(plain | {"extra_body": extra})


def _arguments(named: Body) -> str:
    return "\n".join(f"    {name}={_literal(value, 1)}," for name, value in named.items())


def _literal(value: Any, depth: int) -> str:
    """A value as Python writes it, one item a line."""
    inner, outer = "    " * (depth + 1), "    " * depth
    match value:
        case bool() | None:
            return _PYTHON_WORDS[value]
        case str():
            return _text(value)
        case dict() if value:
            lines = (f"{inner}{_text(name)}: {_literal(item, depth + 1)},\n" for name, item in value.items())
            return "{\n" + "".join(lines) + outer + "}"
        case list() if value:
            lines = (f"{inner}{_literal(item, depth + 1)},\n" for item in value)
            return "[\n" + "".join(lines) + outer + "]"
        case tuple():
            return f"({', '.join(_literal(item, depth) for item in value)})"
        case _:
            return repr(value)


def _text(text: str) -> str:
    """A string literal that Python and JavaScript read alike."""
    return json.dumps(text, ensure_ascii=False)
