"""Does the code that the page shows repeat the run?"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import Browser, Page, expect

if TYPE_CHECKING:
    from tests.e2e.page.conftest import Stage, Visit


def code(page: Page, language: str) -> str:
    page.get_by_role("tab", name="Code").click()
    page.get_by_role("tab", name=language, exact=True).click()
    listing = page.locator(f"#np-code pre[aria-label='{language}'] code")
    expect(listing).to_be_visible()
    return listing.inner_text()


def answered(page: Page, question: str) -> str:
    page.get_by_label("Message", exact=True).fill(question)
    page.keyboard.press("Enter")
    expect(page.locator("#np-evidence dl")).to_be_visible(timeout=60_000)
    page.get_by_role("tab", name="Response").click()
    response = json.loads(page.locator("#np-response code").inner_text())
    text: str = response["choices"][0]["message"]["content"]
    return text


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().removesuffix("\n")


def test_python_shown_by_the_page_gives_the_same_tokens_from_a_real_model(
    browser: Browser,
    launch_playground: Callable[..., tuple[object, str]],
    tiny_checkpoint: Path,
    tmp_path: Path,
) -> None:
    _, url = launch_playground("--checkpoint", str(tiny_checkpoint), "--threads", "1")
    page = browser.new_context().new_page()
    page.goto(url)
    page.locator("#np-send:enabled").wait_for(timeout=60_000)
    page.get_by_label("number input for Temperature").fill("1")
    page.get_by_label("number input for Max tokens").fill("24")
    page.get_by_label("System prompt").fill("Answer in \"quotes\" and 'quotes',\nnot \\n.")
    text = answered(page, "the quick brown fox ${x} `y` 'z'")
    assert text.strip()
    program = tmp_path / "exported.py"
    program.write_text(code(page, "Python"), "utf-8")
    assert run([sys.executable, "-X", "utf8", str(program)], tmp_path) == text
    page.context.close()


def test_curl_and_node_send_what_the_page_sent(
    visit: "Visit", stage: "Stage", node_modules: Path, tmp_path: Path
) -> None:
    page = visit()
    text = answered(page, 'it\'s "quoted", $HOME and `ls`\\n\nsecond line')
    script = code(page, "curl")
    (tmp_path / "exported.sh").write_text(script, "utf-8")
    events = run(["bash", "exported.sh"], tmp_path)
    program = node_modules.parent / "exported.mjs"
    program.write_text(code(page, "Node"), "utf-8")
    try:
        assert run(["node", program.name], program.parent) == text
    finally:
        program.unlink()
    assert '"finish_reason":"stop"' in events
    page_request, curl_request, node_request = stage.requests
    for other in (curl_request, node_request):
        for part in ("variant", "prompt", "sampling", "stopping"):
            assert getattr(other, part) == getattr(page_request, part)


def test_langchain_sends_what_the_page_sent(visit: "Visit", stage: "Stage", tmp_path: Path) -> None:
    page = visit()
    text = answered(page, 'it\'s "quoted", $HOME and `ls`\\n\nsecond line')
    program = tmp_path / "exported.py"
    program.write_text(code(page, "LangChain"), "utf-8")
    assert run([sys.executable, "-X", "utf8", str(program)], tmp_path) == text
    page_request, langchain_request = stage.requests
    for part in ("variant", "prompt", "sampling", "stopping"):
        assert getattr(langchain_request, part) == getattr(page_request, part)


def test_json_is_the_body_itself(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    text = answered(page, "hello there")
    body = json.loads(code(page, "JSON"))
    answer = page.request.post(f"{page.url}v1/chat/completions", data=body).json()
    assert answer["choices"][0]["message"]["content"] == text
    assert answer["nvext"]["recipe"]["seed"] == body["seed"]


def test_code_is_there_before_the_first_answer(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    page.get_by_label("Message", exact=True).fill("not asked yet")
    page.get_by_role("tab", name="Code").click()
    expect(page.locator("#np-code-python")).to_contain_text("not asked yet")
    assert stage.requests == []


def test_a_click_copies_the_code(visit: "Visit", stage: "Stage") -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    answered(page, "copy me")
    shown = code(page, "Python")
    page.locator("#np-code-python").get_by_role("button", name="Copy").click()
    expect(page.locator("#np-code-python").get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == shown
