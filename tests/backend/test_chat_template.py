"""Does the template of the demonstration checkpoints write what Nemotron 3's does?"""

import json
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from nemotron_backend.embedded.chat_template import ChatTemplate
from nemotron_backend.engine import InvalidRequest
from nemotron_backend.recipes import dialogue
from nemotron_backend.recipes.tasks import training
from nemotron_backend.request import Conversation, Message, Role, Tool, ToolCall

_SOURCE = Path(dialogue.__file__).with_name("chat_template.jinja").read_text("utf-8")
_CALL = ToolCall(name="get_weather", arguments='{"city": "Oslo", "days": 3, "box": {"a": [1, "é"]}}')
_CALLED = (
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n3\n"
    '</parameter>\n<parameter=box>\n{"a": [1, "é"]}\n</parameter>\n</function>\n</tool_call>'
)
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "Where", "enum": ["Oslo", "Lima"]},
        "days": {"type": "integer", "minimum": 1},
    },
    "required": ["city"],
}


def say(role: Role, content: str = "", reasoning: str = "", *calls: ToolCall) -> Message:
    return Message(role=role, content=content, reasoning=reasoning, tool_calls=calls)


def render(*messages: Message, **settings: Any) -> str:
    return ChatTemplate(_SOURCE, {}).render(Conversation(messages=messages, **settings))


def test_a_system_block_always_begins() -> None:
    assert render(say("user", "hi")).startswith(
        "<|im_start|>system\n<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n"
    )
    text = render(say("system", "Be kind."), say("user", "hi"))
    assert text.startswith("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n")


def test_thinking_is_switched_where_the_answer_begins() -> None:
    assert render(say("user", "hi")).endswith("<|im_start|>assistant\n<think>\n")
    off = render(say("user", "hi"), is_thinking=False)
    assert off.endswith("<|im_start|>assistant\n<think></think>")


def test_thoughts_before_the_last_question_are_left_out() -> None:
    turns = (say("user", "a"), say("assistant", "b", "old"), say("user", "c"), say("assistant", "d", "new\n"))
    kept = "<|im_start|>assistant\n<think>\nold\n</think>\nb<|im_end|>\n"
    new = "<|im_start|>assistant\n<think>\nnew\n</think>\nd<|im_end|>\n"
    for messages in (turns, (say("system", "s"), *turns)):
        text = render(*messages)
        assert "<|im_start|>assistant\n<think></think>b<|im_end|>\n" in text
        assert new in text
        text = render(*messages, keeps_thoughts=True)
        assert kept in text
        assert new in text


def test_results_of_tools_share_a_turn_of_the_user() -> None:
    text = render(
        say("system", "s"),
        say("user", "weather?"),
        say("assistant", "Look:", "which tool", _CALL, ToolCall(name="now", arguments="{}")),
        say("tool", "sunny"),
        say("tool", "noon"),
        say("user", "thanks"),
    )
    assert (
        f"<|im_start|>assistant\n<think></think>Look:\n{_CALLED}\n<tool_call>\n<function=now>\n</function>\n"
        "</tool_call><|im_end|>\n"
        "<|im_start|>user\n<tool_response>\nsunny\n</tool_response>\n<tool_response>\nnoon\n</tool_response>\n"
        "<|im_end|>\n<|im_start|>user\nthanks<|im_end|>\n"
    ) in text


def test_thoughts_that_led_to_a_call_stay_until_the_next_question() -> None:
    text = render(say("user", "weather?"), say("assistant", "", "which tool", _CALL), say("tool", "sunny"))
    assert f"<|im_start|>assistant\n<think>\nwhich tool\n</think>\n{_CALLED}<|im_end|>\n" in text


def test_tools_stand_behind_the_system_text() -> None:
    tool = Tool(name="get_weather", description="Tells the weather.", parameters=json.dumps(_SCHEMA))
    text = render(say("system", "Be kind."), say("user", "hi"), tools=(tool,))
    block, _, _ = text.partition("<|im_end|>\n")
    assert block.startswith("<|im_start|>system\nBe kind.\n\n# Tools\n\n")
    assert (
        "<tools>\n<function>\n<name>get_weather</name>\n<description>Tells the weather.</description>\n"
        "<parameters>\n<parameter>\n<name>city</name>\n<type>string</type>\n<description>Where</description>\n"
        '<enum>["Oslo", "Lima"]</enum>\n</parameter>\n<parameter>\n<name>days</name>\n<type>integer</type>\n'
        '<minimum>1</minimum>\n</parameter>\n<required>["city"]</required>\n</parameters>\n</function>\n</tools>'
    ) in block
    assert "<tool_call>\n<function=" in block
    alone = render(say("user", "hi"), tools=(tool,))
    assert alone.startswith("<|im_start|>system\n# Tools\n\n")


def test_a_template_without_a_place_for_tools_refuses_them() -> None:
    tool = Tool(name="f", description="", parameters="{}")
    with pytest.raises(InvalidRequest) as caught:
        ChatTemplate("{{ messages[0].content }}", {}).render(
            Conversation(messages=(say("user", "hi"),), tools=(tool,))
        )
    assert caught.value.field == "tools"


def test_an_effort_is_a_switch_of_the_template() -> None:
    template = ChatTemplate("{% if low_effort %}low{% endif %}", {})
    assert template.render(Conversation(messages=(), effort="low_effort")) == "low"
    assert template.render(Conversation(messages=())) == ""


def test_what_the_checkpoints_learned_reads_as_it_did() -> None:
    template, digest = dialogue.template(), sha256()
    for example in islice(training(5), 500):
        for thinking in (True, False):
            digest.update("".join(dialogue.texts(template, example, thinking=thinking)).encode())
    assert digest.hexdigest() == "23b001da6ca6b1824c279ca20b68929fde12fe1a2144f52436d70d8379bdd181"


def test_training_and_serving_render_alike() -> None:
    template = dialogue.template()
    for example in islice(training(6), 50):
        system = (say("system", example.system),) if example.system else ()
        for thinking in (True, False):
            prompt, _ = dialogue.texts(template, example, thinking=thinking)
            assert render(*system, say("user", example.question), is_thinking=thinking) == prompt
