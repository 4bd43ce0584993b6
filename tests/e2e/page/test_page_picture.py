"""What does the page look like with a real model? The picture of the README is made here.

After a change of the page, copy `test-artifacts/screenshot.png` to `static/`.
"""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, expect

ARTIFACTS = Path(__file__).parents[3] / "test-artifacts"
MAX_BYTES = 300_000


def test_the_picture_shows_a_real_conversation_and_stays_small(
    browser: Browser, launch_playground: Callable[..., tuple[object, str]], smollm2_checkpoint: Path
) -> None:
    _, url = launch_playground("--checkpoint", str(smollm2_checkpoint))
    page = browser.new_context(viewport={"width": 1360, "height": 850}).new_page()
    page.goto(url)
    page.locator("#np-send:enabled").wait_for(timeout=120_000)
    page.get_by_label("number input for Temperature").fill("0")
    page.get_by_label("Seed").fill("7")
    for question in ("What is the capital of France?", "Name three things to see there, one line each."):
        page.get_by_label("Message", exact=True).fill(question)
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
        expect(page.locator("#np-evidence dl")).to_be_visible(timeout=120_000)
    expect(page.locator("#np-transcript .bot-row").first).to_contain_text("Paris")
    page.locator("#np-panel").evaluate("(panel) => panel.scrollTo(0, 0)")
    page.mouse.move(500, 550)
    ARTIFACTS.mkdir(exist_ok=True)
    picture = ARTIFACTS / "screenshot.png"
    page.screenshot(path=picture)
    page.context.close()
    assert picture.stat().st_size < MAX_BYTES
