"""Can a visitor watch what the engine does to tokens, while it does it and once more afterwards?"""

from typing import TYPE_CHECKING

from playwright.sync_api import Locator, Page, expect

from nemotron_backend.request import (
    Canvas,
    CanvasToken,
    Delta,
    Forward,
    ForwardKind,
    Token,
    TokenState,
    TracedToken,
    Usage,
)

if TYPE_CHECKING:
    from tests.e2e.page.conftest import Stage, Visit

DECODES = ("autoregressive", "diffusion", "self-speculation")
TRI_MODE = tuple(f"tri-mode-4m:full:bf16:{decode}" for decode in DECODES)
USAGE = Usage(
    prompt_tokens=5,
    cached_tokens=0,
    completion_tokens=3,
    reasoning_tokens=0,
    forwards=2,
    queue_milliseconds=0.0,
    first_token_milliseconds=20.0,
    total_milliseconds=40.0,
)


def tokens(*words: str) -> tuple[Token, ...]:
    return tuple(Token(id=hash(word) % 1000, bytes=word.encode(), logprob=-0.5, top=()) for word in words)


def forward(kind: ForwardKind, *traced: tuple[int, str, TokenState]) -> Forward:
    touched = (
        TracedToken(position=place, id=hash(word) % 1000, state=state) for place, word, state in traced
    )
    return Forward(kind=kind, milliseconds=1.0, tokens=tuple(touched))


FIRST = Delta(index=0, text="one", tokens=tokens("one"), trace=(forward("prefill", (0, "one", "accepted")),))
LAST = Delta(index=0, finish="stop", usage=USAGE)
# Two tokens are drafted, of which the first stands.
SPECULATION = (
    FIRST,
    Delta(
        index=0,
        trace=(forward("draft", (1, " two", "drafted"), (2, " tree", "drafted")),),
        canvas=Canvas(
            position=1,
            tokens=tuple(CanvasToken(bytes=word, state="drafted") for word in (b" two", b" tree")),
        ),
    ),
    Delta(
        index=0,
        text=" two three",
        tokens=tokens(" two", " three"),
        trace=(forward("verify", (1, " two", "accepted"), (2, " tree", "rejected"), (2, " three", "bonus")),),
    ),
    LAST,
)
# The second of two masks is revealed first.
DIFFUSION = (
    FIRST,
    Delta(
        index=0,
        trace=(forward("denoise", (2, " three", "revealed")),),
        canvas=Canvas(
            position=1,
            tokens=(
                CanvasToken(bytes=b"", state="masked"),
                CanvasToken(bytes=b" three", state="revealed"),
            ),
        ),
    ),
    Delta(
        index=0,
        text=" two three",
        tokens=tokens(" two", " three"),
        trace=(forward("denoise", (1, " two", "revealed")),),
    ),
    LAST,
)


def watch(visit: "Visit", stage: "Stage", decode: str, **options: str) -> Page:
    stage.served = TRI_MODE
    stage.scripts = {"self-speculation": SPECULATION, "diffusion": DIFFUSION}
    page = visit(**options)
    page.get_by_role("group", name="Decode").get_by_label(decode).check(force=True)
    page.get_by_label("Watch", exact=True).check()
    page.get_by_label("Message", exact=True).fill("count")
    page.keyboard.press("Enter")
    return page


def marked(page: Page, state: str) -> Locator:
    return page.locator(f"np-watch .np-tokens .np-{state}")


def test_drafts_are_seen_before_they_are_judged(visit: "Visit", stage: "Stage") -> None:
    stage.is_held = True
    page = watch(visit, stage, "self-speculation")
    stage.let(2)
    expect(marked(page, "drafted")).to_have_text([" two", " tree"])
    expect(page.locator("#np-transcript .bot-row .message-content")).to_have_text(["one"])
    stage.let(1)
    expect(marked(page, "accepted")).to_have_text([" two"])
    expect(marked(page, "bonus")).to_have_text([" three"])
    expect(marked(page, "drafted")).to_have_count(0)
    expect(page.locator("#np-evidence")).to_contain_text("Accepted50% of 2")
    legend = page.locator("np-watch .np-legend")
    for state in ("accepted", "bonus", "drafted"):
        expect(legend).to_contain_text(state)


def test_tokens_are_revealed_in_the_order_of_their_steps(visit: "Visit", stage: "Stage") -> None:
    stage.is_held = True
    page = watch(visit, stage, "diffusion")
    stage.let(2)
    expect(marked(page, "masked")).to_have_count(1)
    expect(marked(page, "revealed")).to_have_text([" three"])
    expect(page.locator(".np-live")).to_contain_text("TPF0.50")
    stage.let(1)
    expect(marked(page, "revealed")).to_have_text([" two", " three"])
    steps = marked(page, "revealed").evaluate_all("(all) => all.map((token) => token.dataset.step)")
    assert steps == ["2", "1"]
    assert marked(page, "revealed").first.get_attribute("title") == "revealed at step 2, probability 0.607"


def test_the_moments_of_a_run_are_gone_through_by_keyboard(visit: "Visit", stage: "Stage") -> None:
    page = watch(visit, stage, "diffusion")
    moment = page.get_by_label("Moment of the run")
    expect(moment).to_be_visible()
    moment.focus()
    page.keyboard.press("Home")
    expect(page.locator("np-watch .np-tokens .np-token")).to_have_count(0)
    for _ in range(20):
        page.keyboard.press("ArrowRight")
        if marked(page, "masked").count():
            break
    expect(marked(page, "masked")).to_have_count(1)
    page.keyboard.press("End")
    expect(marked(page, "revealed")).to_have_text([" two", " three"])


def test_nothing_comes_and_goes_for_those_who_want_less_motion(visit: "Visit", stage: "Stage") -> None:
    stage.is_held = True
    page = watch(visit, stage, "self-speculation", reduced_motion="reduce")
    stage.let(2)
    expect(page.locator(".np-live")).to_contain_text("Forwards1")
    expect(page.locator("np-watch .np-tokens .np-token")).to_have_text(["one"])
    stage.let(1)
    expect(marked(page, "bonus")).to_have_text([" three"])
    expect(page.get_by_role("button", name="Play slowly")).to_be_hidden()


def test_a_screen_reader_hears_the_text_alone(visit: "Visit", stage: "Stage") -> None:
    page = watch(visit, stage, "self-speculation")
    expect(marked(page, "bonus")).to_have_count(1)
    assert page.locator("np-watch .np-flow").get_attribute("aria-hidden") == "true"
    expect(page.locator("#np-announcer")).to_have_text("one two three")


def test_without_watching_nothing_is_asked_for_and_nothing_shown(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    page.get_by_label("Message", exact=True).fill("hello")
    page.keyboard.press("Enter")
    expect(page.locator("#np-evidence dl")).to_be_visible()
    request = stage.requests[-1]
    assert (request.trace, request.canvas, request.num_top_logprobs) == (False, False, None)
    expect(page.locator("np-watch")).to_be_hidden()
