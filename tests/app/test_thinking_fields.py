"""How does a body's wish to think, or not, reach the engine?"""

import json
from typing import Any

import pytest

from nemotron_app.errors import BadRequest
from nemotron_app.wire.chat import ChatBody
from nemotron_app.wire.thinking import Reflection, reflection_of
from nemotron_backend.catalog import Catalog
from nemotron_backend.request import Thinking, Variant

_CATALOG = Catalog.read()


def read(model: str = "nemotron-3-nano-30b-a3b", size: str = "full", **fields: Any) -> Reflection:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], **fields}
    variant = Variant(model=model, size=size, precision="bf16", decode="autoregressive")
    return reflection_of(ChatBody.model_validate_json(json.dumps(body)), _CATALOG.find(model), variant)


def test_a_model_that_thinks_does_so_without_limit_unless_told() -> None:
    assert read() == Reflection(is_on=True)


def test_a_model_that_does_not_think_never_does() -> None:
    assert read("echo") == Reflection(is_on=False)


@pytest.mark.parametrize(
    ("fields", "is_on"),
    [
        ({"chat_template_kwargs": {"enable_thinking": False}}, False),
        ({"chat_template_kwargs": {"enable_thinking": True}}, True),
        ({"reasoning_effort": "none"}, False),
        ({"reasoning_effort": "high"}, True),
        ({"reasoning_effort": "high", "chat_template_kwargs": {"enable_thinking": True}}, True),
        ({"reasoning_budget": 0}, False),
        ({"reasoning_budget": -1}, True),
        # A limit of what is not done is kept.
        ({"reasoning_budget": 9, "chat_template_kwargs": {"enable_thinking": False}}, False),
    ],
    ids=str,
)
def test_thinking_is_switched(fields: dict[str, Any], is_on: bool) -> None:
    assert read(**fields).is_on is is_on


@pytest.mark.parametrize(
    ("fields", "budget", "grace"),
    [
        ({"reasoning_budget": 64}, 64, 500),
        ({"thinking_token_budget": 64}, 64, 500),
        ({"chat_template_kwargs": {"reasoning_budget": 64}}, 64, 500),
        # NIM's own field brings NIM's grace of a tenth.
        ({"nvext": {"max_thinking_tokens": 64}}, 64, 7),
        ({"nvext": {"max_thinking_tokens": -1}}, -1, 500),
        ({"reasoning_budget": 64, "nvext": {"max_thinking_tokens": 64}}, 64, 500),
        ({"reasoning_budget": 64, "nvext": {"thinking_grace": 3}}, 64, 3),
    ],
    ids=str,
)
def test_a_budget_has_many_names(fields: dict[str, Any], budget: int, grace: int) -> None:
    assert read(**fields).thinking == Thinking(budget=budget, grace=grace)


def test_history_and_handover_reach_the_engine() -> None:
    assert read(chat_template_kwargs={"truncate_history_thinking": False}).keeps_thoughts
    assert not read(chat_template_kwargs={"truncate_history_thinking": True}).keeps_thoughts
    pair = read("nemotron-elastic", "12b+30b", nvext={"thinking_size": "12b", "handover": "state"})
    assert pair.thinking == Thinking(handover="state")


@pytest.mark.parametrize(
    ("model", "effort", "switch"),
    [
        ("nemotron-3-super-120b-a12b", "low", "low_effort"),
        ("nemotron-3-super-120b-a12b", "high", ""),
        ("nemotron-3-ultra-550b-a55b", "medium", "medium_effort"),
    ],
)
def test_an_effort_is_the_switch_that_the_model_has(model: str, effort: str, switch: str) -> None:
    assert read(model, reasoning_effort=effort) == Reflection(is_on=True, effort=switch)


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"reasoning_effort": "low"}, "reasoning_effort", "unsupported_field"),
        ({"reasoning_effort": "xhigh"}, "reasoning_effort", "unsupported_field"),
        (
            {"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": True}},
            "reasoning_effort",
            None,
        ),
        ({"reasoning_budget": 5, "thinking_token_budget": 6}, "thinking_token_budget", None),
        ({"reasoning_budget": 5, "nvext": {"max_thinking_tokens": 6}}, "nvext.max_thinking_tokens", None),
        ({"nvext": {"handover": "state"}}, "nvext.handover", "unsupported_field"),
    ],
    ids=str,
)
def test_what_contradicts_or_means_nothing_is_refused(
    fields: dict[str, Any], param: str, code: str | None
) -> None:
    with pytest.raises(BadRequest) as caught:
        read(**fields)
    assert (caught.value.param, caught.value.code) == (param, code)
