"""Can answers be compared by their scores?"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

ARTIFACTS = Path(__file__).parents[3] / "test-artifacts"
PATIENCE = 60_000


@pytest.fixture(scope="module")
def echo_page(launch_playground: Callable[..., tuple[object, str]]) -> str:
    """The address of the page of a server that echoes."""
    _, url = launch_playground("--engine", "echo")
    return url


@pytest.fixture
def page(browser: Browser, echo_page: str) -> Iterator[Page]:
    page = browser.new_context(viewport={"width": 1360, "height": 850}).new_page()
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.goto(echo_page)
    page.locator("#np-send:enabled").wait_for()
    yield page
    page.context.close()


def test_answers_are_scored_side_by_side_and_the_best_is_marked(page: Page) -> None:
    page.get_by_role("tab", name="Score", exact=True).click()
    expect(page.get_by_role("combobox", name="Reward model")).to_have_value("Echo Reward")
    page.get_by_role("button", name="Score", exact=True).click()
    expect(page.locator("#np-score-result")).to_contain_text("at least one answer")
    page.get_by_label("Question").fill("What shall I see in Paris?")
    page.get_by_label("Answer 1").fill("The river.")
    page.get_by_label("Answer 3").fill("Ah, Paris! See the river, climb the hill, and then rest. Eat well!")
    page.get_by_role("button", name="Score", exact=True).click()
    table = page.get_by_role("table")
    expect(table.get_by_role("columnheader")).to_have_text(["Answer 1", "Answer 3highest"])
    expect(table.get_by_role("rowheader")).to_have_text(
        ["Helpfulness", "Correctness", "Coherence", "Complexity", "Verbosity", "Reward"]
    )
    expect(table.get_by_role("cell", name="0.79").first).to_be_visible()
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / "score.png")


def test_a_reward_model_is_not_offered_for_a_chat(page: Page) -> None:
    page.get_by_role("combobox", name="Model", exact=True).click()
    expect(page.get_by_role("option", name="Echo", exact=True)).to_be_visible()
    expect(page.get_by_role("option", name="Reward")).to_have_count(0)
