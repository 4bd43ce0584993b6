"""Is a refusal told in words, with what it costs to wait?"""

import httpx2
import pytest
from openai import APIStatusError, RateLimitError

from nemotron_app.ui.api import Readiness
from nemotron_app.ui.capabilities import Model
from nemotron_app.ui.notice import obstacle
from nemotron_app.ui.price import price
from nemotron_app.ui.site import SignedOut, Unidentifiable
from nemotron_app.ui.trouble import trouble_of


def _refusal(code: str, headers: dict[str, str]) -> APIStatusError:
    request = httpx2.Request("POST", "http://test/v1/chat/completions")
    response = httpx2.Response(429, request=request, headers=headers)
    body = {"message": "The limit is 40 requests a minute, 10 at once; 10 are used.", "code": code}
    return RateLimitError("refused", response=response, body=body)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ("1", "1 s"),
        ("59", "59 s"),
        ("60", "1 min"),
        ("61", "2 min"),
        ("3600", "1 h 0 min"),
        ("40000", "11 h 7 min"),
    ],
)
def test_a_refusal_says_how_long_to_wait(seconds: str, words: str) -> None:
    trouble = trouble_of(_refusal("rate_limit_exceeded", {"retry-after": seconds}))
    assert trouble.title == "A limit is reached"
    assert trouble.message.startswith("The limit is 40 requests a minute")
    assert trouble.way_out == f"Wait {words}, then regenerate the answer."


def test_a_refusal_without_a_time_promises_none() -> None:
    assert (
        trouble_of(_refusal("rate_limit_exceeded", {})).way_out == "Wait a while, then regenerate the answer."
    )


def test_a_used_up_day_names_the_other_way_out() -> None:
    trouble = trouble_of(_refusal("insufficient_quota", {"retry-after": "7200"}))
    assert trouble.title == "Today's tokens are used up"
    assert trouble.way_out == "Choose a variant that counts for less, or wait 2 h 0 min."


def test_nobody_is_told_to_sign_in_and_the_store_is_not_blamed_on_them() -> None:
    assert "Sign in" in trouble_of(SignedOut()).way_out
    away = trouble_of(Unidentifiable("Accounts cannot be looked up now."))
    assert away.message == "Accounts cannot be looked up now."
    assert "Sign in" not in away.way_out


def test_who_is_signed_out_reads_why_send_is_off() -> None:
    assert "Sign in" in obstacle(Readiness(state="signed-out", progress=""), None)


def _model(**fields: object) -> Model:
    sampling = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 8, "source": "card"}
    head = {"id": "m", "name": "M", "sizes": [{"name": "full"}], "precisions": ["fp8"]}
    return Model.model_validate({**head, "decodes": ["autoregressive"], "sampling": sampling, **fields})


def test_the_price_is_that_of_the_chosen_variant_and_absent_where_none_is_told() -> None:
    chosen = {"size": "full", "precision": "fp8", "decode": "autoregressive"}
    weights = {"m:full:bf16:autoregressive": 0.5, "m:full:fp8:autoregressive": 0.3}
    assert "counts as 0.3 in" in price(_model(weights=weights), chosen)  # type: ignore[arg-type]
    assert price(_model(), chosen) == ""  # type: ignore[arg-type]
