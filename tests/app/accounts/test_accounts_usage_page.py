"""Does a person see what they used, and only that?"""

import csv
import io
from typing import Any

from nemotron_app.accounts import Entry, Spent

_VARIANT = "m:full:bf16:autoregressive"


async def _use(site: Any, number: int, caller: str, key: str = "") -> None:
    entry = Entry(id=f"req_{number}", caller=caller, variant=_VARIANT, key_id=key)
    await site.accounts.ledger.open(entry)
    await site.accounts.ledger.close(entry.id, Spent(prompt_tokens=3, completion_tokens=number), "done")


async def test_usage_is_told_by_day_variant_and_key(site: Any, clock: Any) -> None:
    browser = await site.browser("Ada")
    key = (await browser.post("/account/keys", json={"name": "laptop"})).json()["id"]
    user = (await browser.get("/account/me")).json()["user"]["id"]
    await _use(site, 1, user, key)
    await _use(site, 2, user, key)
    await _use(site, 3, user)
    await _use(site, 4, "someone else", key)
    clock.move(days=1)
    await _use(site, 5, user, key)
    told = (await browser.get("/account/usage")).json()
    days = [(row["day"], row["key_id"], row["requests"], row["completion_tokens"]) for row in told["days"]]
    assert days == [("2026-03-01", "", 1, 3), ("2026-03-01", key, 2, 3), ("2026-03-02", key, 1, 5)]
    assert told["key_names"] == {key: "laptop"}
    today = (await browser.get("/account/usage", params={"days": 1})).json()["days"]
    assert [row["day"] for row in today] == ["2026-03-02"]


async def test_the_table_holds_no_formula(site: Any) -> None:
    browser = await site.browser("Ada")
    key = (await browser.post("/account/keys", json={"name": "=HYPERLINK(1)"})).json()["id"]
    user = (await browser.get("/account/me")).json()["user"]["id"]
    await _use(site, 1, user, key)
    answer = await browser.get("/account/usage.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["variant"], row["completion_tokens"], row["key_name"]) == (_VARIANT, "1", "'=HYPERLINK(1)")


async def test_a_guest_sees_no_usage(site: Any) -> None:
    guest = await site.browser()
    assert (await guest.get("/account/usage")).status_code == 401
    assert (await guest.get("/account/usage.csv")).status_code == 401
