"""Do the family's templates write conversations as their facts have it?"""

from typing import Any

import pytest

from nemotron_backend.catalog import Catalog
from nemotron_backend.embedded.chat_template import ChatTemplate
from nemotron_backend.request import Conversation, Message, Role, Tool, ToolCall
from nemotron_backend.templates import built_in

MODELS = Catalog.read().models
WEATHER = Tool(name="weather", description="Tells it.", parameters='{"type": "object"}')
CALL = ToolCall(name="weather", arguments='{"city": "Oslo", "days": 3}')
OFFERED = (
    '{"type": "function", "function": {"name": "weather", "description": "Tells it.", '
    '"parameters": {"type": "object"}}}'
)
CHATML = "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n"


def say(role: Role, content: str = "", reasoning: str = "", *calls: ToolCall) -> Message:
    return Message(role=role, content=content, reasoning=reasoning, tool_calls=calls)


def render(model: str, *messages: Message, **settings: Any) -> str:
    """As the model of the catalog reads it, where its checkpoint has no template."""
    fallback = Catalog.read().find(model).fallback
    assert fallback
    return ChatTemplate(built_in(fallback), {}).render(Conversation(messages=messages, **settings))


HELLO = say("user", "Hello")
TURNS = (say("system", "Be kind."), HELLO, say("assistant", "Hi!"), say("user", "Bye"))


@pytest.mark.parametrize("model", ["nemotron-mini-4b-instruct", "nemotron-4-340b-instruct"])
def test_marks_begin_turns_that_nothing_ends(model: str) -> None:
    assert render(model, *TURNS) == (
        "<extra_id_0>System\nBe kind.\n\n<extra_id_1>User\nHello\n<extra_id_1>Assistant\nHi!\n"
        "<extra_id_1>User\nBye\n<extra_id_1>Assistant\n"
    )
    alone = render(model, HELLO)
    assert alone == "<extra_id_0>System\n\n\n<extra_id_1>User\nHello\n<extra_id_1>Assistant\n"
    assert Catalog.read().find(model).stops == ("<extra_id_1>",)


def test_mini_has_its_tools_in_the_system_s_turn_and_results_in_turns_of_their_own() -> None:
    asked = (say("system", "Be kind."), say("user", "Rain?"))
    called = (say("assistant", "", "", CALL, CALL), say("tool", "wet"))
    assert render("nemotron-mini-4b-instruct", *asked, *called, tools=(WEATHER,)) == (
        f"<extra_id_0>System\nBe kind.\n<tool> {OFFERED} </tool>\n\n<extra_id_1>User\nRain?\n"
        '<extra_id_1>Assistant\n<toolcall> {"name": "weather", "arguments": {"city": "Oslo", "days": 3}} '
        '</toolcall>\n<toolcall> {"name": "weather", "arguments": {"city": "Oslo", "days": 3}} </toolcall>\n'
        "<extra_id_1>Tool\nwet\n<extra_id_1>Assistant\n"
    )
    alone = render("nemotron-mini-4b-instruct", HELLO, tools=(WEATHER,))
    assert alone.startswith(f"<extra_id_0>System\n<tool> {OFFERED} </tool>\n\n<extra_id_1>User\n")


def test_llama_has_headers_and_ends() -> None:
    def turn(role: str, text: str) -> str:
        return f"<|start_header_id|>{role}<|end_header_id|>\n\n{text}<|eot_id|>"

    begin, answer = "<|begin_of_text|>", "<|start_header_id|>assistant<|end_header_id|>\n\n"
    model = "llama-3.1-nemotron-70b-instruct"
    assert (
        render(model, *TURNS)
        == "".join((begin, turn("system", "Be kind."), turn("user", "Hello"), turn("assistant", "Hi!")))
        + turn("user", "Bye")
        + answer
    )
    assert render(model, HELLO) == begin + turn("user", "Hello") + answer
    text = render(model, HELLO, say("assistant", "", "", CALL), say("tool", "wet"), tools=(WEATHER,))
    call = '{"name": "weather", "parameters": {"city": "Oslo", "days": 3}}'
    assert text.endswith(turn("assistant", call) + turn("ipython", "wet") + answer)
    assert '"description": "Tells it."' in text


@pytest.mark.parametrize(
    ("model", "settings", "hint"),
    [
        ("nemotron-3-nano-30b-a3b", {"budget": 64}, "\n\n{thinking token budget: 64}"),
        ("nemotron-3-nano-30b-a3b", {"budget": 0}, ""),
        ("nemotron-3-super-120b-a12b", {"effort": "low_effort"}, "\n\n{reasoning effort: low}"),
        ("nemotron-3-ultra-550b-a55b", {"effort": "medium_effort"}, "\n\n{reasoning effort: efficient}"),
        ("nemotron-labs-3-elastic-30b-a3b", {}, ""),
    ],
)
def test_efforts_and_budgets_are_hints_behind_the_last_question(
    model: str, settings: dict[str, Any], hint: str
) -> None:
    text = render(model, say("user", "a"), say("assistant", "b"), say("user", "c"), **settings)
    assert text == (
        f"{CHATML}a<|im_end|>\n<|im_start|>assistant\n<think></think>b<|im_end|>\n"
        f"<|im_start|>user\nc{hint}<|im_end|>\n<|im_start|>assistant\n<think>\n"
    )


@pytest.mark.parametrize(
    ("model", "gap"), [("nemotron-3-super-120b-a12b", "\n"), ("nemotron-3-ultra-550b-a55b", "")]
)
def test_an_answer_follows_its_thoughts(model: str, gap: str) -> None:
    text = render(
        model, say("user", "a"), say("assistant", "b", "why"), keeps_thoughts=True, is_thinking=False
    )
    assert text == (
        f"{CHATML}a<|im_end|>\n<|im_start|>assistant\n<think>\nwhy\n</think>{gap}b<|im_end|>\n"
        "<|im_start|>assistant\n<think></think>"
    )


def test_what_converses_has_a_template_here_or_says_that_none_is_known() -> None:
    for model in MODELS:
        if model.kind == "chat" and any(c.repository.startswith("nvidia/") for c in model.checkpoints):
            assert model.fallback or model.template.startswith("not found"), model.id
