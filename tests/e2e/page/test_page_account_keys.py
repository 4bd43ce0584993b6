"""Can a person make, use, watch, rotate and end an API key on the page, and is the key seen only once?"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from openai import AuthenticationError, OpenAI
from playwright.sync_api import Locator, Page, expect

if TYPE_CHECKING:
    from tests.e2e.page.conftest import Stage, Visit

MODEL = "smollm2-135m-instruct"
PHONE = {"width": 360, "height": 740}


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def make_key(page: Page, name: str) -> str:
    """Make a key and take it from the one place that shows it."""
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Create key").click()
    return take(page)


def take(page: Page) -> str:
    dialog = page.get_by_role("dialog", name="Your new key")
    key = dialog.locator("code").inner_text()
    assert re.fullmatch(r"npg_\w{36}", key)
    dialog.get_by_role("button", name="I have kept it").click()
    expect(dialog).to_have_count(0)
    return key


def card(page: Page, name: str) -> Locator:
    return page.locator("np-keys li").filter(has=page.get_by_text(name, exact=True))


def end_key(page: Page, name: str) -> None:
    page.get_by_role("button", name=f"Revoke {name}", exact=True).first.click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(card(page, name).get_by_text("Revoked").first).to_be_visible()


@pytest.fixture
def client(site: str) -> Iterator[OpenAI]:
    """The official client, still without a key."""
    with OpenAI(base_url=f"{site}/v1", api_key="none", max_retries=0) as client:
        yield client


def ask(client: OpenAI, key: str, question: str) -> str | None:
    messages = [{"role": "user", "content": question}]
    answer = client.with_options(api_key=key).chat.completions.create(model=MODEL, messages=messages)  # type: ignore[arg-type]
    return answer.choices[0].message.content


def test_a_key_lives_from_creation_to_revocation(visit: "Visit", stage: "Stage", client: OpenAI) -> None:
    page = visit()
    open_tab(page, "Keys")
    key = make_key(page, "nightly")
    assert ask(client, key, "over the wire") == "over the wire"
    open_tab(page, "Usage")
    by_key = page.locator("figure").filter(has_text="By key")
    expect(by_key.locator(".np-bar").filter(has_text=f"nightly …{key[-4:]}")).to_be_visible()
    by_key.get_by_text("As a table").click()
    expect(by_key.get_by_role("row").filter(has_text="nightly")).to_contain_text("3")
    open_tab(page, "Keys")
    page.get_by_role("button", name="Rotate nightly").click()
    page.get_by_label("The old key goes on").select_option("For an hour")
    page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    successor = take(page)
    assert successor != key
    for either in (key, successor):
        assert ask(client, either, "still here") == "still here"
    end_key(page, "nightly")
    with pytest.raises(AuthenticationError):
        ask(client, successor, "no more")


def test_a_key_is_shown_once(visit: "Visit", stage: "Stage") -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    open_tab(page, "Keys")
    page.get_by_label("Name", exact=True).fill("once")
    page.get_by_role("button", name="Create key").click()
    dialog = page.get_by_role("dialog", name="Your new key")
    dialog.get_by_role("button", name="Copy").click()
    expect(dialog.get_by_role("button", name="Copied")).to_be_visible()
    key = page.evaluate("navigator.clipboard.readText()")
    assert key == take(page)
    expect(card(page, "once")).to_contain_text(f"{key[:8]}…{key[-4:]}")
    assert key not in page.content()
    page.reload()
    page.locator("#np-send:enabled").wait_for()
    open_tab(page, "Keys")
    expect(card(page, "once")).to_be_visible()
    assert key not in page.content()
    everything = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])"
    assert "npg_" not in page.evaluate(everything)
    assert "eyJ" not in page.evaluate(everything)


def test_an_empty_list_teaches_and_the_first_key_takes_its_place(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    page.route("**/account/keys", lambda route: route.fulfill(json={"keys": []}))
    open_tab(page, "Keys")
    expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()
    expect(page.locator("np-keys")).to_contain_text("$NEMOTRON_PLAYGROUND_API_KEY")


def test_a_hostile_name_stays_text(visit: "Visit", stage: "Stage") -> None:
    name = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    page = visit()
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    open_tab(page, "Keys")
    make_key(page, name)
    expect(card(page, name)).to_be_visible()
    page.get_by_role("button", name=f"Revoke {name}").click()
    expect(page.get_by_role("dialog")).to_contain_text(name)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.locator("np-keys :is(img, script)").count() == 0


def test_rights_expiry_and_models_are_as_chosen(visit: "Visit", stage: "Stage", client: OpenAI) -> None:
    page = visit()
    open_tab(page, "Keys")
    page.get_by_label("Complete text").uncheck()
    page.get_by_label("Expires").select_option("In 7 days")
    page.get_by_text("Models: all models").click()
    page.get_by_label("SmolLM2", exact=False).first.check()
    key = make_key(page, "narrow")
    shown = card(page, "narrow")
    expect(shown).to_contain_text("models:read, chat, usage:read")
    expect(shown).to_contain_text(MODEL)
    response = page.request.post(
        f"{page.url}v1/completions",
        data={"model": MODEL, "prompt": "x"},
        headers={"authorization": f"Bearer {key}"},
    )
    assert response.status == 403
    page.get_by_role("button", name="Rename narrow").click()
    page.get_by_role("dialog").get_by_label("Name").fill("narrower")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(card(page, "narrower")).to_be_visible()


def test_a_key_that_may_do_nothing_is_not_ordered(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    open_tab(page, "Keys")
    boxes = page.locator("np-keys fieldset").first.get_by_role("checkbox")
    expect(boxes).to_have_count(4)
    for box in boxes.all():
        box.uncheck()
    page.get_by_label("Name", exact=True).fill("useless")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_role("alert")).to_contain_text("at least one thing")


def test_the_meter_moves_after_an_answer_and_the_price_stands_by_the_knobs(
    visit: "Visit", stage: "Stage"
) -> None:
    page = visit()
    meter = page.get_by_role("meter", name="Tokens today")
    expect(meter).to_be_visible()
    before = int(meter.get_attribute("aria-valuenow") or "0")
    expect(page.locator("#np-price")).to_have_text("A token counts as 0.045 in your limits.")
    page.get_by_label("Message", exact=True).fill("word " * 200)
    page.keyboard.press("Enter")
    expect(meter).not_to_have_attribute("aria-valuenow", str(before))
    assert int(meter.get_attribute("aria-valuenow") or "0") < before


def test_the_file_of_the_usage_is_one_click_away(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    page.get_by_label("Message", exact=True).fill("one two three")
    page.keyboard.press("Enter")
    expect(page.locator("#np-evidence dl")).to_be_visible()
    open_tab(page, "Usage")
    page.get_by_label("Period").select_option("7 days")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    lines = download.value.path().read_text("utf-8").splitlines()
    assert lines[0].startswith("day,variant,key_id,requests")
    assert any(f"{MODEL}:full:bf16:autoregressive" in line for line in lines[1:])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_violation_in_keys_and_usage(
    visit: "Visit", stage: "Stage", axe_script: str, scheme: str
) -> None:
    page = visit(color_scheme=scheme)
    page.evaluate(axe_script)
    page.get_by_role("button", name="Account: Local user").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    open_tab(page, "Keys")
    make_key(page, f"seen in the {scheme}")
    assert violations(page) == []
    page.get_by_role("button", name=f"Revoke seen in the {scheme}").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    open_tab(page, "Usage")
    expect(page.get_by_role("meter").last).to_be_visible()
    assert violations(page) == []


def violations(page: Page) -> list[tuple[str, str]]:
    found = page.evaluate("async () => (await axe.run(document)).violations")
    return [
        (rule["id"], node["html"])
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def test_a_phone_never_scrolls_sideways_in_keys_and_usage(visit: "Visit", stage: "Stage") -> None:
    page = visit(viewport=PHONE)
    open_tab(page, "Keys")
    make_key(page, "a-very-long-name-without-any-space-" + "x" * 29)
    for tab in ("Keys", "Usage"):
        open_tab(page, tab)
        expect(page.get_by_role("heading", level=2).locator("visible=true")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"], tab
    page.get_by_role("button", name="Account: Local user").click()
    expect(page.get_by_text("Tier: local")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_a_forged_change_is_refused(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    token = page.request.get(f"{page.url}account/me").json()["csrf_token"]
    body = {"name": "forged"}
    no_token = page.request.post(f"{page.url}account/keys", data=body)
    foreign = page.request.post(
        f"{page.url}account/keys",
        data=body,
        headers={"x-csrf-token": token, "origin": "https://evil.example"},
    )
    # A foreign page is not even the local user.
    assert (no_token.status, foreign.status) == (403, 401)
    open_tab(page, "Keys")
    expect(page.get_by_label("Name", exact=True)).to_be_visible()
    expect(card(page, "forged")).to_have_count(0)
