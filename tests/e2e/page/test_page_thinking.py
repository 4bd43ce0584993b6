"""Can a visitor steer how a model thinks, and see which size said what?"""

import json
from typing import TYPE_CHECKING

from playwright.sync_api import Page, expect

from nemotron_backend.request import Conversation, Delta, Phase, Usage

if TYPE_CHECKING:
    from tests.e2e.page.conftest import Stage, Visit

ELASTIC = tuple(f"elastic-4m:{size}:bf16:autoregressive" for size in ("4m", "2m", "2m+4m", "4m+2m"))
PHASES = (
    Phase(kind="thinking", size="2m", num_tokens=2, first_token_milliseconds=5.0, milliseconds=1234.0),
    Phase(kind="answer", size="4m", num_tokens=1, first_token_milliseconds=5.0, milliseconds=40.0),
)
USAGE = Usage(
    prompt_tokens=5,
    cached_tokens=0,
    completion_tokens=3,
    reasoning_tokens=2,
    forwards=2,
    queue_milliseconds=0.0,
    first_token_milliseconds=20.0,
    total_milliseconds=1300.0,
    phases=PHASES,
)
SCRIPT = (
    Delta(index=0, reasoning="let me", size="2m"),
    Delta(index=0, reasoning=" see", size="2m"),
    Delta(index=0, text="447", size="4m"),
    Delta(index=0, finish="stop", usage=USAGE),
)


def opened(visit: "Visit", stage: "Stage") -> Page:
    stage.served = ELASTIC
    stage.scripts = {"autoregressive": SCRIPT}
    return visit(permissions=["clipboard-read", "clipboard-write"])


def ask(page: Page) -> None:
    page.get_by_label("Message", exact=True).fill("What is 149 * 3?")
    page.keyboard.press("Enter")


def test_size_handover_and_budget_reach_the_engine(visit: "Visit", stage: "Stage") -> None:
    page = opened(visit, stage)
    expect(page.get_by_role("group", name="The answering size")).to_be_hidden()
    page.get_by_role("group", name="Thinks with").get_by_label("2m").check(force=True)
    page.get_by_role("group", name="The answering size").get_by_label("takes the state over").check(
        force=True
    )
    page.get_by_label("Thinking budget").fill("64")
    ask(page)
    expect(page.locator("#np-evidence dl")).to_be_visible()
    request = stage.requests[-1]
    assert request.variant.size == "2m+4m"
    assert (request.thinking.budget, request.thinking.handover) == (64, "state")


def test_no_budget_is_no_limit_and_thinking_can_be_off(visit: "Visit", stage: "Stage") -> None:
    page = opened(visit, stage)
    ask(page)
    expect(page.locator("#np-evidence dl")).to_be_visible()
    assert stage.requests[-1].thinking.budget == -1
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_enabled()
    page.get_by_label("Think before answering").uncheck()
    expect(page.get_by_label("Thinking budget")).to_be_hidden()
    expect(page.get_by_role("group", name="Thinks with")).to_be_hidden()
    ask(page)
    expect(page.locator("#np-transcript .user-row")).to_have_count(2)
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_enabled()
    assert stage.requests[-1].variant.size == "4m"


def test_thoughts_unfold_as_they_come_and_fold_when_the_answer_begins(visit: "Visit", stage: "Stage") -> None:
    stage.is_held = True
    page = opened(visit, stage)
    page.get_by_role("group", name="Thinks with").get_by_label("2m").check(force=True)
    ask(page)
    stage.let(2)
    thoughts = page.locator("#np-transcript").get_by_text("let me see")
    expect(thoughts).to_be_visible()
    stage.let(1)
    expect(page.get_by_text("Thought for 2 tokens, 1.23 s, with 2m")).to_be_visible()
    expect(thoughts).to_be_hidden()
    strip = page.locator("#np-evidence dl")
    expect(strip).to_contain_text("Thinking (2m)2 tokens, 1.23 s")
    expect(strip).to_contain_text("Answer (4m)1 token, 40 ms")


def test_each_token_shows_its_size(visit: "Visit", stage: "Stage") -> None:
    page = opened(visit, stage)
    page.get_by_role("group", name="Thinks with").get_by_label("2m").check(force=True)
    ask(page)
    drawn = page.locator("np-watch .np-tokens .np-token")
    expect(drawn).to_have_text(["let me", " see", "447"])
    line = "(all) => all.map((token) => getComputedStyle(token).textDecorationStyle)"
    assert drawn.evaluate_all(line) == ["dotted", "dotted", "solid"]
    expect(page.locator("np-watch .np-legend")).to_contain_text("made by 2m")
    expect(page.locator("np-watch .np-legend")).to_contain_text("made by 4m")


def test_a_copied_answer_has_no_thoughts_in_it(visit: "Visit", stage: "Stage") -> None:
    page = opened(visit, stage)
    ask(page)
    expect(page.locator("#np-evidence dl")).to_be_visible()
    page.locator("#np-transcript").get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator("#np-transcript .np-copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "447"


def test_the_example_questions_are_those_that_the_model_was_taught(visit: "Visit", stage: "Stage") -> None:
    page = opened(visit, stage)
    examples = page.locator("#np-transcript .example")
    expect(examples.filter(has_text="Sort ")).to_have_count(1)
    expect(page.get_by_text("What is the capital of France?")).to_have_count(0)


TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
CALL = "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>"


def test_a_call_of_a_tool_is_shown_as_a_card(visit: "Visit", stage: "Stage") -> None:
    stage.served = ("nemotron-3-nano-30b-a3b:full:bf16:autoregressive",)
    stage.scripts = {"autoregressive": (Delta(index=0, text=CALL), SCRIPT[-1])}
    page = visit()
    page.get_by_role("button", name="Tools").click()
    page.get_by_label("Functions that the model may call").fill(json.dumps([TOOL]))
    ask(page)
    card = page.locator("#np-transcript .thought-group")
    expect(card).to_contain_text("Calls get_weather")
    expect(card.get_by_role("row", name="city Oslo")).to_be_visible()
    expect(page.locator("#np-evidence dl")).to_contain_text("Endedwith a call")
    prompt = stage.requests[-1].prompt
    assert isinstance(prompt, Conversation)
    assert [tool.name for tool in prompt.tools] == ["get_weather"]


def test_tools_that_are_no_json_are_refused_in_words(visit: "Visit", stage: "Stage") -> None:
    stage.served = ("nemotron-3-nano-30b-a3b:full:bf16:autoregressive",)
    page = visit()
    page.get_by_role("button", name="Tools").click()
    page.get_by_label("Functions that the model may call").fill("[{")
    ask(page)
    expect(page.get_by_role("alert")).to_contain_text("tools")
    assert stage.requests == []
