"""Does a conversation on the page go as a visitor expects?"""

from typing import TYPE_CHECKING

from playwright.sync_api import Locator, Page, expect

if TYPE_CHECKING:
    from tests.e2e.page.conftest import Stage, Visit


def ask(page: Page, question: str) -> None:
    num_asked = questions(page).count()
    page.get_by_label("Message", exact=True).fill(question)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(questions(page)).to_have_count(num_asked + 1)


def answers(page: Page) -> Locator:
    return page.locator("#np-transcript .bot-row .message-content")


def questions(page: Page) -> Locator:
    return page.locator("#np-transcript .user-row .message-content")


def settled(page: Page) -> None:
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_hidden()
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_enabled()


def test_text_streams_word_by_word(visit: "Visit", stage: "Stage") -> None:
    stage.is_held = True
    page = visit()
    ask(page, "one two three")
    expect(page.locator("#np-evidence")).to_contain_text("Answering with smollm2-135m-instruct:full:bf16")
    stage.let(1)
    expect(answers(page)).to_have_text(["one"])
    stage.let(1)
    expect(answers(page)).to_have_text(["one two"])
    stage.let(1)
    expect(answers(page)).to_have_text(["one two three"])
    settled(page)


def test_the_strip_tells_how_the_answer_was_made(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    page.get_by_label("Seed").fill("7")
    ask(page, "one two three")
    strip = page.locator("#np-evidence dl")
    facts = ["First token20 ms", "In12", "Cached4", "Out3", "Forwards2", "TPF1.00", "Seed7"]
    for fact in [*facts, "Variantsmollm2-135m-instruct:full:bf16:autoregressive"]:
        expect(strip).to_contain_text(fact)


def test_stop_keeps_what_came_and_frees_the_engine(visit: "Visit", stage: "Stage") -> None:
    stage.is_held = True
    page = visit()
    ask(page, "one two three")
    stage.let(2)
    expect(answers(page)).to_have_text(["one two"])
    page.get_by_role("button", name="Stop", exact=True).click()
    settled(page)
    assert stage.freed.wait(timeout=10)
    assert stage.num_running == 0
    expect(answers(page)).to_have_text(["one two"])
    expect(page.locator("#np-evidence")).to_contain_text("Endedby you")


def test_closing_the_tab_frees_the_engine(visit: "Visit", stage: "Stage") -> None:
    stage.is_held = True
    page = visit()
    ask(page, "one two three")
    stage.let(1)
    expect(answers(page)).to_have_text(["one"])
    page.close()
    assert stage.freed.wait(timeout=10)


def test_the_second_question_carries_the_first_turn(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    ask(page, "one")
    settled(page)
    ask(page, "two")
    expect(answers(page)).to_have_text(["one", "two"])
    assert stage.told() == [
        ("user", "one"),
        ("assistant", "one"),
        ("user", "two"),
    ]


def test_the_system_prompt_is_sent_first(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    page.get_by_label("System prompt").fill("Speak like a pirate.")
    ask(page, "hello")
    expect(answers(page)).to_have_text(["hello"])
    assert stage.told()[0] == ("system", "Speak like a pirate.")


def test_text_reaches_the_model_exactly_as_it_was_typed(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    typed = "    indented\n\ttabbed <b>not bold</b> & `code` ${x}"
    ask(page, typed)
    settled(page)
    assert stage.told() == [("user", typed)]


def test_regenerate_asks_the_same_question_with_another_seed(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    ask(page, "again please")
    settled(page)
    stage.is_held = True
    page.get_by_role("button", name="Regenerate").click()
    expect(answers(page)).to_have_count(0)
    stage.let(2)
    expect(answers(page)).to_have_text(["again please"])
    first, second = stage.requests
    assert first.prompt == second.prompt
    assert first.sampling.seed != second.sampling.seed


def test_an_edited_question_is_asked_instead_and_drops_what_followed(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    for question in ("one", "two"):
        ask(page, question)
        settled(page)
    page.locator("#np-transcript .message-buttons-right").first.get_by_role("button", name="Edit").click()
    page.locator("#np-transcript textarea").fill("three")
    page.get_by_role("button", name="Submit").click()
    expect(questions(page)).to_have_text(["three"])
    expect(answers(page)).to_have_text(["three"])
    assert [text for _, text in stage.told()] == ["three"]


def test_an_edited_answer_stands_as_if_it_had_been_given(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    ask(page, "one")
    settled(page)
    page.locator("#np-transcript .message-buttons-left").get_by_role("button", name="Edit").click()
    page.locator("#np-transcript textarea").fill("mended")
    page.get_by_role("button", name="Submit").click()
    expect(answers(page)).to_have_text(["mended"])
    ask(page, "two")
    settled(page)
    assert [text for _, text in stage.told()] == ["one", "mended", "two"]


def test_a_deleted_turn_is_gone_for_the_model_too(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    for question in ("one", "two"):
        ask(page, question)
        settled(page)
    page.get_by_role("button", name="Delete this turn").first.click()
    expect(questions(page)).to_have_text(["two"])
    ask(page, "three")
    expect(answers(page)).to_have_text(["two", "three"])
    assert [text for _, text in stage.told()] == ["two", "two", "three"]


def test_new_chat_starts_from_nothing(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    ask(page, "one")
    settled(page)
    page.get_by_role("button", name="New chat").click()
    expect(questions(page)).to_have_count(0)
    expect(page.get_by_text("Ask a model, see how it answered")).to_be_visible()
    ask(page, "two")
    settled(page)
    assert [text for _, text in stage.told()] == ["two"]


def test_an_example_is_asked_by_a_click(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    page.get_by_text("What is the capital of France?").click()
    expect(answers(page)).to_have_text(["What is the capital of France?"])


def test_thoughts_stand_in_a_fold_of_their_own(visit: "Visit", stage: "Stage") -> None:
    stage.thoughts = "Let me see."
    page = visit()
    ask(page, "why")
    settled(page)
    expect(page.get_by_text("Thought", exact=True)).to_be_visible()
    expect(answers(page).last).to_have_text("why")


def test_an_empty_message_is_not_sent(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    page.get_by_label("Message", exact=True).fill("   ")
    page.get_by_role("button", name="Send", exact=True).click()
    ask(page, "real")
    expect(answers(page)).to_have_text(["real"])
    assert len(stage.requests) == 1


def test_a_blank_answer_box_is_never_markup(visit: "Visit", stage: "Stage") -> None:
    page = visit()
    ask(page, "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>done")
    settled(page)
    expect(page).to_have_title("Nemotron Playground")
