"""Does the page serve guests on a small budget, and people who sign in with a provider on a larger one?"""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any

import pytest
from openai import OpenAI
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from nemotron_app.setting_values import OpenId, TierChange
from nemotron_app.settings import Settings

if TYPE_CHECKING:
    from tests.e2e.page.conftest import Stage

MODEL = "smollm2-135m-instruct"
_SECRET = "a secret between the two"


@dataclass(frozen=True)
class Served:
    """A site with a provider, and the engine behind it."""

    url: str
    stage: "Stage"


@pytest.fixture(scope="module")
def people(
    stage_type: type["Stage"],
    serving_of: Callable[..., Any],
    oidc_provider: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    """One engine slot, and few requests for guests."""
    port = _free_port()
    stage = stage_type()
    with _provider(oidc_provider, f"http://127.0.0.1:{port}") as issuer:
        settings = Settings(
            port=port,
            data_dir=tmp_path_factory.mktemp("people"),
            providers=(_openid(issuer),),
            max_running=1,
            limit_patience_seconds=0,
            tiers={"guest": TierChange(requests_per_minute=1, burst=2)},
        )
        with serving_of(stage, settings) as url:
            yield Served(url, stage)


@contextmanager
def _provider(script: Path, site: str) -> Iterator[str]:
    command = ("node", str(script), site)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as provider:
        assert provider.stdout is not None
        yield provider.stdout.readline().strip()
        provider.kill()


def _openid(issuer: str) -> OpenId:
    return OpenId(
        kind="openid",
        name="op",
        title="Example",
        issuer=issuer,
        client_id="playground",
        client_secret=SecretStr(_SECRET),
    )


def _free_port() -> int:
    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def come(browser: Browser, people: Served) -> Iterator[Callable[..., Page]]:
    """A new browser at the page, for which nobody has signed in."""
    people.stage.reset()
    contexts = []

    def open_page(width: int = 1440) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.goto(people.url)
        page.locator("#np-send:enabled").wait_for()
        expect(page.locator("np-account button")).to_be_visible()
        return page

    yield open_page
    for context in contexts:
        context.close()


def ask(page: Page, question: str) -> None:
    page.get_by_label("Message", exact=True).fill(question)
    page.keyboard.press("Enter")
    expect(page.locator("#np-transcript .user-row").filter(has_text=question)).to_be_visible()


def sign_in(page: Page, name: str) -> None:
    page.get_by_role("button", name="Account: Guest").click()
    page.get_by_role("link", name="Sign in with Example").click()
    page.locator("input[name=login]").fill(name)
    page.locator("input[name=password]").fill("any")
    page.locator("button[type=submit]").click()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("button", name=f"Account: Person {name}")).to_be_visible()
    page.locator("#np-send:enabled").wait_for()


def test_a_guest_may_ask_until_the_budget_is_gone_and_reads_why(come: Callable[..., Page]) -> None:
    page = come()
    meter = page.get_by_role("meter", name="Requests this minute")
    for left, question in ((1, "first"), (0, "second")):
        ask(page, question)
        expect(page.locator("#np-transcript .bot-row").filter(has_text=question)).to_be_visible()
        expect(meter).to_have_attribute("aria-valuenow", str(left))
    ask(page, "third")
    alert = page.locator("#np-notice").get_by_role("alert")
    expect(alert).to_contain_text("A limit is reached")
    expect(alert).to_contain_text("The limit is 1 request a minute, 2 at once; 2 are used")
    expect(alert).to_contain_text("It frees in")
    expect(alert).to_contain_text("Wait ")
    other = come()
    expect(other.get_by_role("meter", name="Requests this minute")).to_have_attribute("aria-valuenow", "2")


def test_the_meter_fits_beside_the_button_on_a_phone(come: Callable[..., Page]) -> None:
    page = come(360)
    meter = page.get_by_role("group", name="Your limits")
    expect(meter.get_by_role("meter")).to_have_count(3)
    right, left = "(it) => it.getBoundingClientRect().right", "(it) => it.getBoundingClientRect().left"
    assert meter.evaluate(right) <= page.get_by_role("button", name="New chat").evaluate(left)


def test_a_guest_is_known_by_a_cookie_that_no_script_reads(come: Callable[..., Page]) -> None:
    page = come()
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert cookies["nemotron_visitor"]["httpOnly"]
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("tab", name="Keys").click()
    expect(page.locator("np-keys")).to_contain_text("Keys belong to people")
    expect(page.locator("np-keys").get_by_role("link", name="Sign in with Example")).to_be_visible()
    page.get_by_role("tab", name="Usage").click()
    expect(page.locator("np-usage")).to_contain_text("guest (yours)")
    expect(page.locator("np-usage").get_by_role("link", name="Download as CSV")).to_have_count(0)


def test_a_person_signs_in_makes_a_key_asks_and_signs_out(come: Callable[..., Page], people: Served) -> None:
    page = come()
    sign_in(page, "ada")
    page.get_by_role("button", name="Account: Person ada").click()
    menu = page.locator("np-account")
    expect(menu).to_contain_text("ada@example.org")
    expect(menu).to_contain_text("Tier: free")
    page.keyboard.press("Escape")
    ask(page, "asked by ada")
    expect(page.locator("#np-transcript .bot-row")).to_contain_text("asked by ada")
    page.get_by_role("tab", name="Keys").click()
    page.get_by_label("Name", exact=True).fill("laptop")
    page.get_by_role("button", name="Create key").click()
    dialog = page.get_by_role("dialog")
    key = dialog.locator("code").inner_text()
    dialog.get_by_role("button", name="I have kept it").click()
    _answers(people, key)
    page.get_by_role("tab", name="Usage").click()
    bars = page.locator("np-usage .np-bar")
    expect(bars.filter(has_text="This page")).to_be_visible()
    expect(bars.filter(has_text="laptop")).to_be_visible()
    page.get_by_role("button", name="Account: Person ada").click()
    page.get_by_role("button", name="Sign out").click()
    page.locator("button[name=logout]").click()
    expect(page.get_by_role("button", name="Account: Guest")).to_be_visible()
    # The key is not the session: it goes on.
    _answers(people, key)


def _answers(people: Served, key: str) -> None:
    with OpenAI(base_url=f"{people.url}/v1", api_key=key, max_retries=0) as client:
        said = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "by key"}])
    assert said.choices[0].message.content == "by key"


def test_who_waits_for_the_engine_sees_their_place(come: Callable[..., Page], people: Served) -> None:
    ahead, behind = come(), come()
    sign_in(behind, "eve")
    people.stage.is_held = True
    ask(ahead, "one two")
    people.stage.let(1)
    expect(ahead.locator("#np-transcript .bot-row")).to_contain_text("one")
    ask(behind, "three")
    place = behind.locator("np-meter").get_by_role("status")
    expect(place).to_contain_text("In line: position 1")
    expect(ahead.locator("np-meter").get_by_role("status")).to_be_empty()
    people.stage.let(2)
    expect(behind.locator("#np-transcript .bot-row")).to_contain_text("three")
    expect(place).to_be_empty()


def test_without_guests_the_page_says_that_one_must_sign_in(
    browser: Browser, serving_of: Callable[..., Any], stage_type: type["Stage"], tmp_path: Path
) -> None:
    provider = _openid("https://id.example")
    settings = Settings(port=0, data_dir=tmp_path, providers=(provider,), guests=False)
    with serving_of(stage_type(), settings) as url:
        page = browser.new_context().new_page()
        page.goto(url)
        expect(page.locator("#np-obstacle")).to_contain_text("Sign in to ask a model")
        expect(page.locator("#np-state")).to_contain_text("Signed out")
        expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
        page.get_by_role("button", name="Account: Sign in").click()
        expect(page.get_by_role("link", name="Sign in with Example")).to_be_visible()
        page.context.close()
