"""Does a conversation keep what was said, and draw it so that clicks find their turn?"""

from hypothesis import given
from hypothesis import strategies as st

from nemotron_app.ui.conversation import Conversation, Turn, answers, draw, turn_at
from nemotron_app.ui.tool_call import ToolCall

TURNS = st.lists(
    st.builds(
        Turn, question=st.text(min_size=1), answer=st.text(), reasoning=st.text(), is_stopped=st.booleans()
    ),
    max_size=5,
)


def _of(*turns: Turn) -> Conversation:
    return Conversation(turns=turns)


@given(TURNS)
def test_each_drawn_message_belongs_to_the_turn_that_it_shows(turns: list[Turn]) -> None:
    conversation = _of(*turns)
    for index, message in enumerate(draw(conversation)):
        turn = conversation.turns[turn_at(conversation, index)]
        text = message["content"][0]["text"]
        assert text in (turn.question, turn.answer, turn.reasoning) or turn.is_stopped


@given(TURNS)
def test_thoughts_are_never_sent_back(turns: list[Turn]) -> None:
    sent = _of(*turns).messages("")
    assert [message["content"] for message in sent if message["role"] == "user"] == [
        t.question for t in turns
    ]
    assert [message["content"] for message in sent if message["role"] == "assistant"] == [
        t.answer for t in turns if t.answer
    ]


def test_a_blank_system_prompt_is_left_out() -> None:
    conversation = Conversation().ask("hello")
    assert [message["role"] for message in conversation.messages(" \n")] == ["user"]
    assert [message["role"] for message in conversation.messages("Be brief.")] == ["system", "user"]


def test_asking_again_drops_the_answer_and_what_followed() -> None:
    conversation = _of(Turn(question="a", answer="1"), Turn(question="b", answer="2"))
    assert conversation.again_from(0) == _of(Turn(question="a"))
    assert conversation.again_from(1, "c") == _of(Turn(question="a", answer="1"), Turn(question="c"))


def test_deleting_a_turn_leaves_the_others() -> None:
    first, second, third = (Turn(question=name) for name in "abc")
    assert _of(first, second, third).without(1) == _of(first, third)


def test_indentation_is_drawn_as_it_was_typed() -> None:
    message = draw(Conversation().ask("    indented"))[0]
    assert message["content"] == [{"type": "text", "text": "    indented"}]


def test_thoughts_are_open_until_the_answer_begins_and_never_copied() -> None:
    def fold(turn: Turn) -> object:
        return draw(_of(turn))[1]["metadata"]

    thinking = Turn(question="a", reasoning="hm")
    assert fold(thinking) == {"title": "Thinking", "status": "pending"}
    answered = Turn(question="a", reasoning="hm", answer="b")
    assert fold(answered) == {"title": "Thought", "status": "done"}
    known = Turn(question="a", reasoning="hm", answer="b", thought="Thought for 3 tokens, 2 ms")
    assert fold(known) == {"title": "Thought for 3 tokens, 2 ms", "status": "done"}
    assert answers(_of(known)) == ["b"]


def test_a_call_is_drawn_by_its_name_and_told_to_the_model_again() -> None:
    call = ToolCall(id="c1", name="now", arguments="{}")
    conversation = _of(Turn(question="what time", calls=(call,)), Turn(question="and now"))
    assert draw(conversation)[1]["metadata"] == {"title": "Calls now"}
    assert conversation.messages("")[1]["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    ]
