"""Do two lanes get the same question, and is what is said of their answers worked out from them?"""

from typing import TYPE_CHECKING

from playwright.sync_api import Locator, Page, expect

from nemotron_backend.request import Conversation, Delta, Forward, Token, TracedToken, Usage

if TYPE_CHECKING:
    from tests.e2e.page.conftest import Stage, Visit

DECODES = ("autoregressive", "diffusion", "self-speculation")
TRI_MODE = tuple(f"tri-mode-4m:full:bf16:{decode}" for decode in DECODES)
IDS = {"one": 1, " two": 2, " three": 3, " four": 4}


def script(*words: str) -> tuple[Delta, ...]:
    deltas = [_delta(place, word) for place, word in enumerate(words)]
    usage = Usage(
        prompt_tokens=5,
        cached_tokens=0,
        completion_tokens=len(words),
        reasoning_tokens=0,
        forwards=len(words) - 1,
        queue_milliseconds=0.0,
        first_token_milliseconds=20.0,
        total_milliseconds=20.0 + 10.0 * len(words),
    )
    return (*deltas, Delta(index=0, finish="stop", usage=usage))


def _delta(place: int, word: str) -> Delta:
    token = Token(id=IDS[word], bytes=word.encode(), logprob=-0.1, top=())
    traced = TracedToken(position=place, id=IDS[word], state="accepted")
    forward = Forward(kind="decode" if place else "prefill", milliseconds=1.0, tokens=(traced,))
    return Delta(index=0, text=word, tokens=(token,), trace=(forward,))


def opened(visit: "Visit", stage: "Stage", second: tuple[Delta, ...]) -> Page:
    stage.served = TRI_MODE
    stage.scripts = {"autoregressive": script("one", " two", " three"), "self-speculation": second}
    page = visit()
    page.get_by_role("tab", name="Compare").click()
    expect(run_button(page)).to_be_enabled()
    page.get_by_label("Prompt", exact=True).fill("count")
    return page


def run_button(page: Page) -> Locator:
    return page.get_by_role("button", name="Compare", exact=True)


def lane(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=f"Lane {name}")


def test_equal_tokens_are_called_identical(visit: "Visit", stage: "Stage") -> None:
    page = opened(visit, stage, script("one", " two", " three"))
    run_button(page).click()
    expect(page.locator(".np-verdict")).to_contain_text("Identical to autoregressive: all 3 tokens")
    for name in ("A", "B"):
        expect(lane(page, name).locator(".np-tokens")).to_have_text("one two three")
        for fact in ("First token20 ms", "Forwards2", "TPF1.00"):
            expect(lane(page, name)).to_contain_text(fact)
    first, second = stage.requests
    assert first.prompt == second.prompt
    assert isinstance(first.prompt, Conversation)
    assert first.prompt.messages[-1].content == "count"
    assert first.sampling.seed == second.sampling.seed == 7
    decodes = [request.variant.decode for request in stage.requests]
    assert decodes == ["autoregressive", "self-speculation"]


def test_the_first_other_token_is_named_and_marked(visit: "Visit", stage: "Stage") -> None:
    page = opened(visit, stage, script("one", " two", " four"))
    run_button(page).click()
    expect(page.locator(".np-verdict")).to_contain_text("Differs from autoregressive at token 3")
    expect(lane(page, "B").locator(".np-diverged")).to_have_text([" four"])


def test_an_answer_that_goes_on_is_not_identical(visit: "Visit", stage: "Stage") -> None:
    page = opened(visit, stage, script("one", " two", " three", " four"))
    run_button(page).click()
    expect(page.locator(".np-verdict")).to_contain_text("Differs from autoregressive at token 4")


def test_lanes_take_turns_unless_both_are_wanted_at_once(visit: "Visit", stage: "Stage") -> None:
    stage.is_held = True
    page = opened(visit, stage, script("one", " two", " three"))
    run_button(page).click()
    stage.let(1)
    expect(lane(page, "A").locator(".np-tokens")).to_have_text("one")
    expect(lane(page, "B")).to_contain_text("Waits for the other lane")
    assert len(stage.requests) == 1
    stage.let(5)
    expect(page.locator(".np-verdict")).to_contain_text("Identical")
    page.get_by_label("Lanes run").select_option("at once")
    run_button(page).click()
    stage.await_requests(4)
    stage.let(2)
    for name in ("A", "B"):
        expect(lane(page, name).locator(".np-tokens")).to_have_text("one")
    stage.let(4)
    expect(page.locator(".np-verdict")).to_contain_text("Identical")


def test_escape_stops_both_lanes_and_frees_the_engine(visit: "Visit", stage: "Stage") -> None:
    stage.is_held = True
    page = opened(visit, stage, script("one", " two", " three"))
    run_button(page).press("Enter")
    stage.let(1)
    expect(lane(page, "A").locator(".np-tokens")).to_have_text("one")
    page.keyboard.press("Escape")
    expect(run_button(page)).to_be_enabled()
    expect(lane(page, "A")).to_contain_text("Stopped")
    assert stage.freed.wait(timeout=10)
    assert len(stage.requests) == 1
    expect(page.locator(".np-verdict")).to_be_hidden()


def test_a_lane_takes_any_variant_and_the_settings_of_the_panel(visit: "Visit", stage: "Stage") -> None:
    page = opened(visit, stage, script("one"))
    page.get_by_role("group", name="Decode").get_by_label("diffusion").check(force=True)
    page.get_by_role("group", name="Block length").get_by_label("8").check(force=True)
    page.get_by_label("number input for Temperature").fill("0.5")
    page.get_by_role("button", name="Take panel settings into lane B").click()
    expect(lane(page, "B")).to_contain_text("temperature 0.5")
    expect(lane(page, "B")).to_contain_text("block length 8")
    page.get_by_label("Variant of lane A").select_option("full · bf16 · self-speculation")
    expect(lane(page, "A")).to_contain_text("drafting linear")
    run_button(page).click()
    expect(page.locator(".np-verdict strong")).to_be_visible()
    first, second = stage.requests
    assert (first.variant.decode, second.variant.decode) == ("self-speculation", "diffusion")
    assert second.decoding.block_length == 8
    assert (first.sampling.temperature, second.sampling.temperature) == (0.5, 0.5)
