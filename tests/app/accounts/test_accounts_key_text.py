"""Does a key look as promised, and nothing else like a key?"""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemotron_app.accounts import key_text

_ALPHABET = string.ascii_letters + string.digits


def test_a_minted_key_is_well_formed() -> None:
    key = key_text.mint()
    assert key.startswith("npg_")
    assert len(key) == 40
    assert key_text.is_well_formed(key)


def test_two_keys_differ() -> None:
    assert key_text.mint() != key_text.mint()


@given(place=st.integers(4, 39), letter=st.sampled_from(_ALPHABET))
def test_a_mistyped_letter_is_noticed(place: int, letter: str) -> None:
    key = key_text.mint()
    changed = key[:place] + letter + key[place + 1 :]
    assert key_text.is_well_formed(changed) == (changed == key)


@given(st.text(max_size=60))
def test_random_text_is_no_key(text: str) -> None:
    assert not key_text.is_well_formed(text)
    assert not key_text.is_well_formed(f"npg_{text}")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda key: key[:-1], id="truncated"),
        pytest.param(lambda key: key + "0", id="lengthened"),
        pytest.param(lambda key: key + "\n", id="newline"),
        pytest.param(lambda key: " " + key, id="space"),
        pytest.param(lambda key: key.upper(), id="upper case"),
        pytest.param(lambda key: key.replace("npg_", "npg-"), id="prefix"),
        pytest.param(lambda key: key[:10] + "а" + key[11:], id="Cyrillic look-alike"),
        pytest.param(lambda key: key[:10] + "１" + key[11:], id="full-width digit"),
    ],
)
def test_a_spoiled_key_is_no_key(spoil: object) -> None:
    assert callable(spoil)
    assert not key_text.is_well_formed(spoil(key_text.mint()))


def test_a_key_is_cut_out_of_text() -> None:
    key = key_text.mint()
    text = key_text.redact(f"GET /v1/models?api_key={key}&x=1 {key}")
    assert key not in text
    assert key[8:] not in text
    assert text.count("[redacted]") == 2


def test_what_is_shown_is_the_beginning_and_the_end() -> None:
    key = key_text.mint()
    assert key_text.head_of(key) == key[:8]
    assert key_text.tail_of(key) == key[-4:]
