"""Does a variant read what it writes, and what does an answer's usage say?"""

import re
from contextlib import suppress
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemotron_backend.request import DECODES, PRECISIONS, Usage, Variant

_NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+/-]*", fullmatch=True)
_VARIANTS = st.builds(
    Variant,
    model=_NAMES,
    size=_NAMES,
    precision=st.sampled_from(PRECISIONS),
    decode=st.sampled_from(DECODES),
)


@given(variant=_VARIANTS)
def test_a_printed_variant_is_read_back(variant: Variant) -> None:
    assert Variant.parse(str(variant)) == variant


@given(variant=_VARIANTS)
def test_equal_variants_are_one_key(variant: Variant) -> None:
    assert {variant: 1}[Variant.parse(str(variant))] == 1


@given(text=st.text())
def test_any_text_is_refused_or_reads_back_as_itself(text: str) -> None:
    with suppress(ValueError):
        assert str(Variant.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "model:size:precision:decode"),
        ("a:b:bf16", "model:size:precision:decode"),
        ("a:b:bf16:diffusion:more", "model:size:precision:decode"),
        (":b:bf16:diffusion", "model:size:precision:decode"),
        ("a b:c:bf16:diffusion", "model:size:precision:decode"),
        ("a:b:bf16:diffusion\n", "model:size:precision:decode"),
        ("a:b:int4:diffusion", "precision must be one of bf16, fp8, nvfp4, not 'int4'"),
        ("a:b:BF16:diffusion", "precision must be one of"),
        ("a:b:bf16:beam", "decode must be one of autoregressive, diffusion, self-speculation, not 'beam'"),
    ],
)
def test_what_is_no_variant_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        Variant.parse(text)


def test_a_variant_cannot_be_changed() -> None:
    variant = Variant(model="echo", size="full", precision="bf16", decode="autoregressive")
    with pytest.raises(FrozenInstanceError):
        variant.size = "12b"  # type: ignore[misc]


def _usage(*, completion: int, forwards: int, first: float, total: float) -> Usage:
    return Usage(
        prompt_tokens=3,
        cached_tokens=0,
        completion_tokens=completion,
        reasoning_tokens=0,
        forwards=forwards,
        queue_milliseconds=0.0,
        first_token_milliseconds=first,
        total_milliseconds=total,
    )


def test_one_token_a_forward_is_a_rate_of_one() -> None:
    assert _usage(completion=8, forwards=7, first=10, total=80).tokens_per_forward == 1.0


def test_the_rate_leaves_out_the_wait_for_the_first_token() -> None:
    assert _usage(completion=11, forwards=10, first=500, total=600).tokens_per_second == 100.0


@pytest.mark.parametrize(("completion", "first", "total"), [(0, 0, 0), (1, 5, 5), (2, 5, 5)])
def test_a_rate_without_a_span_is_zero(completion: int, first: float, total: float) -> None:
    assert _usage(completion=completion, forwards=1, first=first, total=total).tokens_per_second == 0.0
