"""Do prompts and answers become exactly the text and tokens that the checkpoint's own tools make?"""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from nemotron_backend.embedded.answer_text import AnswerText, Piece
from nemotron_backend.embedded.chat_template import ChatTemplate
from nemotron_backend.embedded.tokenization import Tokenization
from nemotron_backend.embedded.vocabulary import UnknownDecoder, Vocabulary
from nemotron_backend.engine import InvalidRequest
from nemotron_backend.request import Conversation, Message, Text, Token

_BYTES = Vocabulary(
    pieces=(*(bytes([value]) for value in range(256)), b"<end>"),
    special=frozenset({256}),
    ends=frozenset({256}),
)


def _token(token_id: int, piece: bytes) -> Token:
    return Token(id=token_id, bytes=piece, logprob=0.0, top=())


def _pieces(vocabulary: Vocabulary, token_ids: list[int], stops: tuple[str, ...] = ()) -> list[Piece]:
    text = AnswerText(vocabulary, stops)
    pieces = []
    for token_id in token_ids:
        pieces.append(text.push(_token(token_id, vocabulary.bytes_of(token_id))))
        if text.is_stopped:
            return pieces
    return [*pieces, text.finish()]


def _joined(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


@settings(deadline=None)
@given(token_ids=st.lists(st.integers(3, 290), max_size=40))
def test_pieces_join_to_what_the_tokenizer_decodes(tiny_checkpoint: Path, token_ids: list[int]) -> None:
    vocabulary = Vocabulary.read(tiny_checkpoint)
    token_ids = [token_id for token_id in token_ids if token_id < len(vocabulary.pieces)]
    decoded = Tokenizer.from_file(str(tiny_checkpoint / "tokenizer.json")).decode(token_ids)
    pieces = _pieces(vocabulary, token_ids)
    # A last character that is not complete is left out, the tokenizer shows a replacement for it.
    assert _joined(pieces) in (decoded, decoded.removesuffix("\ufffd"))
    assert [token.id for piece in pieces for token in piece.tokens] == token_ids


@given(text=st.text(max_size=40))
def test_every_character_comes_whole_and_every_token_once(text: str) -> None:
    pieces = _pieces(_BYTES, list(text.encode()))
    assert _joined(pieces) == text
    assert b"".join(token.bytes for piece in pieces for token in piece.tokens) == text.encode()
    for piece in pieces[:-1]:
        assert b"".join(token.bytes for token in piece.tokens) == piece.text.encode()


@given(text=st.text("ab<", max_size=30), stops=st.lists(st.text("ab<", min_size=1, max_size=4), max_size=3))
def test_text_ends_before_the_first_stop_string_that_is_complete(text: str, stops: list[str]) -> None:
    pieces = _pieces(_BYTES, list(text.encode()), tuple(stops))
    ends = {text.find(stop) + len(stop): text.find(stop) for stop in stops if stop in text}
    # Of stop strings that are complete at once, the one that began first counts.
    first = min(ends, default=None)
    begins = [text.find(stop) for stop in stops if stop in text and text.find(stop) + len(stop) == first]
    expected = text[: min(begins)] if begins else text
    assert _joined(pieces) == expected
    assert b"".join(token.bytes for piece in pieces for token in piece.tokens) == expected.encode()


def test_a_stop_string_may_span_tokens_and_its_beginning_is_never_shown() -> None:
    pieces = _pieces(_BYTES, list(b"one STO two STOP three"), ("STOP",))
    assert _joined(pieces) == "one STO two "


def test_text_that_turns_out_to_be_no_stop_string_is_shown_late() -> None:
    text = AnswerText(_BYTES, ("abc",))
    shown = [text.push(_token(value, bytes([value]))).text for value in b"xabab"]
    assert shown == ["x", "", "", "ab", ""]
    assert text.finish().text == "ab"


def test_a_character_that_never_ends_is_left_out_and_its_tokens_are_kept() -> None:
    pieces = _pieces(_BYTES, list("a🦊".encode()[:-1]))
    assert _joined(pieces) == "a"
    assert sum(len(piece.tokens) for piece in pieces) == 4


def test_bytes_that_are_no_text_become_replacements() -> None:
    assert _joined(_pieces(_BYTES, [0xFF, ord("a")])) == "\ufffda"


def test_special_tokens_are_not_text() -> None:
    assert _joined(_pieces(_BYTES, [ord("a"), 256, ord("b")])) == "ab"


def test_pieces_of_byte_fallback_tokenizers_are_bytes_and_spaces(tmp_path: Path) -> None:
    tokenizer = {
        "added_tokens": [{"id": 0, "content": "</s>", "special": True}],
        "decoder": {"type": "Sequence", "decoders": [{"type": "Replace"}, {"type": "ByteFallback"}]},
        "model": {"vocab": {"</s>": 0, "<0xF0>": 1, "▁fox": 2}},
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [0, 2]}', "utf-8")
    vocabulary = Vocabulary.read(tmp_path)
    assert vocabulary.pieces == (b"</s>", b"\xf0", b" fox")
    assert vocabulary.ends == {0, 2}


def test_a_decoder_that_is_not_known_is_refused(tmp_path: Path) -> None:
    tokenizer = {"added_tokens": [], "decoder": {"type": "WordPiece"}, "model": {"vocab": {"a": 0}}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")
    with pytest.raises(UnknownDecoder, match="WordPiece"):
        Vocabulary.read(tmp_path)


_CONVERSATIONS = [
    (("user", "Hi!"),),
    (
        ("system", "Be brief."),
        ("user", "Tag <b> & 'quotes' \"twice\"?"),
        ("assistant", "Yes.\n"),
        ("user", ""),
    ),
    (("user", "été 🦊 {{ 7 * 7 }} {% raw %}"),),
]


@pytest.mark.parametrize("turns", _CONVERSATIONS, ids=["one", "many", "odd characters"])
@pytest.mark.parametrize("checkpoint", ["tiny_checkpoint", "smollm2_checkpoint"])
def test_conversations_become_the_tokens_that_transformers_makes(
    request: pytest.FixtureRequest, checkpoint: str, turns: tuple[tuple[str, str], ...]
) -> None:
    folder: Path = request.getfixturevalue(checkpoint)
    conversation = Conversation(messages=tuple(Message(role=r, content=c) for r, c in turns))  # type: ignore[arg-type]
    theirs = AutoTokenizer.from_pretrained(folder).apply_chat_template(
        [{"role": role, "content": content} for role, content in turns],
        add_generation_prompt=True,
        return_dict=False,
    )
    assert list(Tokenization.read(folder).encode(conversation)) == theirs


def test_thoughts_reach_the_template_as_reasoning_content() -> None:
    template = ChatTemplate(
        "{% for m in messages %}{{ m.reasoning_content }}|{{ m.content }}{% endfor %}", {}
    )
    thought = Message(role="assistant", content="4", reasoning="2 and 2")
    assert template.render(Conversation(messages=(thought,))) == "2 and 2|4"


@pytest.mark.parametrize(
    "source",
    [
        "{{ raise_exception('no') }}",
        "{{ messages.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ 1 / 0 }}",
        "{{ messages[0].content + 1 }}",
    ],
    ids=["refusal", "sandbox", "immutable", "division", "type"],
)
def test_what_a_template_cannot_or_may_not_do_is_an_invalid_request(source: str) -> None:
    conversation = Conversation(messages=(Message(role="user", content="x"),))
    with pytest.raises(InvalidRequest) as caught:
        ChatTemplate(source, {}).render(conversation)
    assert caught.value.field == "messages"


def test_the_end_of_a_chat_turn_ends_an_answer(smollm2_checkpoint: Path) -> None:
    vocabulary = Vocabulary.read(smollm2_checkpoint)
    assert {vocabulary.bytes_of(token_id) for token_id in vocabulary.ends} >= {b"<|im_end|>"}


def test_every_token_of_a_text_has_its_exact_bytes(smollm2_checkpoint: Path) -> None:
    text = "Ein Fuchs 🦊 sagt: naïve café,\t漢字!\n\n  indented"
    vocabulary = Vocabulary.read(smollm2_checkpoint)
    token_ids = Tokenization.read(smollm2_checkpoint).encode(Text(text=text))
    assert b"".join(vocabulary.bytes_of(token_id) for token_id in token_ids) == text.encode()
