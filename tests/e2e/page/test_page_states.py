"""Does the page tell the truth while the engine loads, and when something fails?"""

from typing import TYPE_CHECKING

from playwright.sync_api import Page, expect

from nemotron_backend.engine import ContextTooLong, EngineBusy, EngineFailed

if TYPE_CHECKING:
    from tests.e2e.page.conftest import Stage, Visit


def ask(page: Page, question: str) -> None:
    page.get_by_label("Message", exact=True).fill(question)
    page.get_by_role("button", name="Send", exact=True).click()


def test_a_loading_engine_is_told_with_its_progress_and_send_wakes_up(visit: "Visit", stage: "Stage") -> None:
    stage.state, stage.progress = "starting", "read 12 of 30 layers"
    page = visit(is_ready=False)
    send = page.get_by_role("button", name="Send", exact=True)
    expect(page.locator("#np-state")).to_contain_text("Loading")
    expect(page.locator("#np-obstacle")).to_contain_text("read 12 of 30 layers.")
    expect(send).to_be_disabled()
    page.get_by_label("Message", exact=True).fill("written while it loads")
    stage.progress = "read 29 of 30 layers"
    expect(page.locator("#np-obstacle")).to_contain_text("read 29 of 30 layers.")
    stage.state, stage.progress = "ready", "ready"
    expect(send).to_be_enabled()
    expect(page.locator("#np-state")).to_contain_text("Ready")
    send.click()
    expect(page.locator("#np-transcript .bot-row")).to_contain_text("written while it loads")


def test_a_failed_engine_switches_send_off_until_it_is_back(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    stage.state, stage.progress = "failed", "the engine process ended"
    expect(page.locator("#np-state")).to_contain_text("Engine failed", timeout=15_000)
    expect(page.locator("#np-obstacle")).to_contain_text("the engine process ended.")
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    stage.state, stage.progress = "ready", "ready"
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_enabled(timeout=15_000)


def test_a_failure_is_told_with_a_way_out_and_the_question_stays(visit: "Visit", stage: "Stage") -> None:
    stage.trouble = EngineFailed("the engine broke while it answered")
    page = visit()
    ask(page, "hello")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The engine broke while it answered")
    expect(alert).to_contain_text("Regenerate the answer")
    expect(alert).to_contain_text("Request req_")
    expect(page.locator("#np-transcript .user-row")).to_contain_text("hello")
    stage.trouble = None
    page.get_by_role("button", name="Regenerate").click()
    expect(page.locator("#np-transcript .bot-row")).to_contain_text("hello")
    expect(alert).to_be_hidden()


def test_a_full_queue_says_so(visit: "Visit", stage: "Stage") -> None:
    stage.trouble = EngineBusy("32 requests wait already", retry_after=2.0)
    page = visit()
    ask(page, "hello")
    expect(page.get_by_role("alert")).to_contain_text("32 requests wait already")


def test_a_conversation_that_is_too_long_says_by_how_much(visit: "Visit", stage: "Stage") -> None:
    message = "prompt and answer need 9000 tokens, the context holds 8192"
    stage.trouble = ContextTooLong("messages", message, num_tokens=9000, limit=8192)
    page = visit()
    ask(page, "hello")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The conversation is too long for this model")
    expect(alert).to_contain_text(message)
    expect(alert).to_contain_text("delete turns")
