"""Can everyone use the page: by keyboard, on a phone, in the dark, with a screen reader?"""

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from tests.e2e.page.conftest import Stage, Visit

TABS = ("Chat", "Compare", "Code", "Response", "Models")
PHONE = {"width": 360, "height": 740}


def ask(page: Page, question: str) -> None:
    page.get_by_label("Message", exact=True).fill(question)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#np-evidence dl")).to_be_visible()


def violations(page: Page, axe_script: str) -> list[tuple[str, str]]:
    """Serious and critical findings of axe, in our own components and in Gradio's."""
    page.evaluate(axe_script)
    found: list[dict[str, Any]] = page.evaluate("async () => (await axe.run(document)).violations")
    return [
        (rule["id"], node["html"])
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def test_a_question_needs_no_mouse(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    expect(page.get_by_label("Message", exact=True)).to_be_focused()
    page.keyboard.type("first line")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("second line")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#np-transcript .bot-row")).to_contain_text("second line")
    assert stage.told() == [("user", "first line\nsecond line")]


def test_escape_stops_the_answer(visit: "Visit", stage: "Stage") -> None:
    stage.is_held = True
    page = visit()
    page.get_by_label("Message", exact=True).fill("one two three")
    page.keyboard.press("Control+Enter")
    stage.let(1)
    expect(page.locator("#np-transcript .bot-row")).to_contain_text("one")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()
    assert stage.freed.wait(timeout=10)
    expect(page.get_by_label("Message", exact=True)).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_violation(visit: "Visit", stage: "Stage", axe_script: str, scheme: str) -> None:
    stage.thoughts = "Let me see."
    page = visit(color_scheme=scheme)
    page.get_by_role("button", name="More sampling").click()
    ask(page, "Some `code`:\n```python\nprint(1)\n```\nand text")
    for tab in TABS:
        page.get_by_role("tab", name=tab).click()
        assert violations(page, axe_script) == [], tab


def test_no_serious_violation_in_the_settings_of_a_phone(
    visit: "Visit", stage: "Stage", axe_script: str
) -> None:
    page = visit(viewport=PHONE)
    page.get_by_role("button", name="Settings").click()
    expect(page.get_by_role("combobox", name="Model")).to_be_visible()
    assert violations(page, axe_script) == []


def test_a_phone_never_scrolls_sideways(visit: "Visit", stage: "Stage") -> None:
    page = visit(viewport=PHONE)
    ask(page, "a-very-long-word" * 30 + " and\n```\n" + "code " * 80 + "\n```")
    for tab in TABS:
        page.get_by_role("tab", name=tab).click()
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"], tab


def test_a_phone_reaches_the_settings_and_comes_back(visit: "Visit", stage: "Stage") -> None:
    page = visit(viewport=PHONE)
    model = page.get_by_role("combobox", name="Model")
    expect(model).to_be_hidden()
    page.get_by_role("button", name="Settings").click()
    expect(model).to_be_visible()
    page.keyboard.press("Escape")
    expect(model).to_be_hidden()


def test_dark_and_light_follow_the_system_until_one_is_chosen(visit: "Visit", stage: "Stage") -> None:
    page = visit(color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.get_by_role("button", name="Switch between light and dark").click()
    light = page.evaluate(background)
    assert light != dark
    page.reload()
    page.locator("#np-send:enabled").wait_for()
    assert page.evaluate(background) == light


def test_answers_are_read_out_by_sentences(visit: "Visit", stage: "Stage") -> None:
    stage.is_held = True
    page = visit()
    page.get_by_label("Message", exact=True).fill("This is one. This is two")
    page.keyboard.press("Enter")
    announcer = page.locator("#np-announcer")
    stage.let(4)
    expect(announcer).to_have_text("This is one.")
    stage.let(2)
    expect(announcer).to_have_text("This is two")


def test_motion_is_reduced_on_request(visit: "Visit", stage: "Stage") -> None:
    page = visit(is_ready=False, reduced_motion="reduce")
    animation = "(dot) => getComputedStyle(dot).animationName"
    assert page.locator(".np-dot").evaluate(animation) == "none"


def test_the_page_has_one_main_heading(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    expect(page.get_by_role("heading", level=1)).to_have_text(["Nemotron Playground"])
