"""Do the knobs show what the server can do, and send what they show?"""

from typing import TYPE_CHECKING

from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from tests.e2e.page.conftest import Stage, Visit


def ask(page: Page, question: str) -> None:
    page.get_by_label("Message", exact=True).fill(question)
    page.keyboard.press("Enter")
    expect(page.locator("#np-evidence dl")).to_be_visible()


def choose_model(page: Page, name: str) -> None:
    box = page.get_by_role("combobox", name="Model")
    box.click()
    box.fill(name)
    page.get_by_role("option", name=name).first.click()


def test_values_that_are_not_served_are_off_with_a_reason(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    precision = page.get_by_role("group", name="Precision")
    expect(precision.get_by_label("bf16")).to_be_checked()
    expect(precision.get_by_label("fp8")).to_be_enabled()
    expect(precision.get_by_label("nvfp4")).to_be_disabled()
    expect(precision).to_contain_text("nvfp4: published, but no engine here serves it")
    decode = page.get_by_role("group", name="Decode")
    expect(decode.get_by_label("diffusion")).to_be_disabled()
    expect(decode).to_contain_text("SmolLM2 135M Instruct cannot decode this way")


def test_the_knobs_decide_which_variant_answers(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    page.get_by_role("group", name="Precision").get_by_text("fp8").click()
    ask(page, "hello")
    assert str(stage.requests[-1].variant) == "smollm2-135m-instruct:full:fp8:autoregressive"
    expect(page.locator("#np-evidence")).to_contain_text(":fp8:")


def test_knobs_are_turned_from_the_keyboard(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    page.get_by_role("group", name="Precision").get_by_label("bf16").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("group", name="Precision").get_by_label("fp8")).to_be_checked()
    expect(page.get_by_role("group", name="Precision").get_by_label("fp8")).to_be_focused()
    ask(page, "hello")
    assert stage.requests[-1].variant.precision == "fp8"


def test_a_model_that_is_not_served_says_what_it_needs(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    choose_model(page, "Nemotron 3 Nano 30B-A3B")
    card = page.locator("#np-card")
    for words in ("Not served here", "What it needs", "How to get it"):
        expect(card).to_contain_text(words)
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    expect(page.locator("#np-obstacle")).to_contain_text("is not served here")
    page.get_by_label("Message", exact=True).fill("hello?")
    page.keyboard.press("Enter")
    choose_model(page, "SmolLM2 135M Instruct")
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_enabled()
    assert stage.requests == []


def test_every_setting_is_sent(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    page.get_by_role("button", name="More sampling").click()
    settings = {
        "Temperature": ("temperature", 0.7),
        "Top p": ("top_p", 0.5),
        "Top k": ("top_k", 40),
        "Min p": ("min_p", 0.05),
        "Repetition penalty": ("repetition_penalty", 1.1),
        "Presence penalty": ("presence_penalty", 0.5),
        "Frequency penalty": ("frequency_penalty", -0.5),
    }
    for label, (_, value) in settings.items():
        page.get_by_label(f"number input for {label}").fill(str(value))
    page.get_by_label("number input for Max tokens").fill("33")
    page.get_by_label("Seed").fill("99")
    page.get_by_label("Stop strings").fill("END\n\\n\\n")
    ask(page, "hello")
    request = stage.requests[-1]
    assert {name: getattr(request.sampling, name) for name, _ in settings.values()} == dict(settings.values())
    assert request.sampling.seed == 99
    assert request.stopping.max_tokens == 33
    assert request.stopping.strings == ("END", "\n\n")


def test_reset_brings_the_recommended_sampling_back(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    temperature = page.get_by_label("number input for Temperature")
    expect(temperature).to_have_value("0.2")
    temperature.fill("1.5")
    page.get_by_label("Seed").fill("5")
    page.get_by_role("button", name="Reset to recommended").click()
    expect(temperature).to_have_value("0.2")
    expect(page.get_by_label("Seed")).to_have_value("")


def test_every_model_has_a_card(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    page.get_by_role("tab", name="Models").click()
    cards = page.locator(".np-card")
    expect(cards.first).to_contain_text("SmolLM2 135M Instruct")
    expect(cards.first).to_contain_text("Served here")
    served = page.request.get(f"{page.url}v1/models").json()["data"]
    expect(cards).to_have_count(len(served))


def test_each_decode_mode_has_settings_of_its_own(visit: "Visit", stage: "Stage") -> None:
    modes = ("autoregressive", "diffusion", "self-speculation")
    stage.served = tuple(f"tri-mode-4m:full:bf16:{mode}" for mode in modes)
    page = visit()
    decode = page.get_by_role("group", name="Decode")
    drafting, block = (page.get_by_role("group", name=name) for name in ("Drafting", "Block length"))
    expect(block).to_be_hidden()
    decode.get_by_label("diffusion").check(force=True)
    block.get_by_label("16").check(force=True)
    expect(page.get_by_label("number input for Threshold")).to_have_value("0.9")
    page.get_by_role("group", name="Reveal").get_by_label("in so many steps").check(force=True)
    expect(page.get_by_label("number input for Threshold")).to_be_hidden()
    page.get_by_label("number input for Steps").fill("4")
    page.get_by_role("group", name="Order").get_by_label("left to right").check(force=True)
    ask(page, "hello")
    decoding = stage.requests[-1].decoding
    assert (decoding.block_length, decoding.num_steps, decoding.order) == (16, 4, "leftmost")
    decode.get_by_label("self-speculation").check(force=True)
    drafting.get_by_label("quadratic").check(force=True)
    expect(page.get_by_label("number input for Steps")).to_be_hidden()
    ask(page, "hello again")
    expect(page.locator("#np-transcript .bot-row .message-content")).to_have_text(["hello", "hello again"])
    decoding = stage.requests[-1].decoding
    assert (decoding.block_length, decoding.drafting, decoding.acceptance) == (16, "quadratic", "match")
