"""Can a person manage their keys, and nobody else?"""

from typing import Any

import pytest


async def test_a_new_key_is_shown_once_and_opens_the_api(site: Any) -> None:
    browser = await site.browser("Ada")
    answer = await browser.post("/account/keys", json={"name": "laptop"})
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    listed = (await browser.get("/account/keys")).json()["keys"]
    assert listed == [{name: value for name, value in made.items() if name != "key"}]
    assert made["key"].startswith(made["head"])
    assert made["key"].endswith(made["tail"])
    program = await site.client(headers={"authorization": f"Bearer {made['key']}"})
    called = await program.get("/v1/models")
    assert called.status_code == 200
    assert called.json()["key"] == made["id"]
    assert called.json()["tier"] == "free"


async def test_the_local_user_has_keys_too(local_site: Any) -> None:
    key = await local_site.new_key(await local_site.browser())
    program = await local_site.client(headers={"authorization": f"Bearer {key}"})
    assert (await program.get("/v1/models")).json()["id"] == "local"


async def test_a_key_is_renamed(site: Any) -> None:
    browser = await site.browser("Ada")
    made = (await browser.post("/account/keys", json={"name": "laptop"})).json()
    answer = await browser.patch(f"/account/keys/{made['id']}", json={"name": "desk"})
    assert answer.json()["name"] == "desk"
    assert (await browser.get("/account/keys")).json()["keys"][0]["name"] == "desk"


async def test_a_revoked_key_opens_nothing(site: Any) -> None:
    browser = await site.browser("Ada")
    made = (await browser.post("/account/keys", json={"name": "laptop"})).json()
    program = await site.client(headers={"authorization": f"Bearer {made['key']}"})
    assert (await program.get("/v1/models")).status_code == 200
    assert (await browser.delete(f"/account/keys/{made['id']}")).json()["status"] == "revoked"
    assert (await program.get("/v1/models")).status_code == 401
    assert (await browser.get("/account/keys")).json()["keys"][0]["status"] == "revoked"


async def test_a_rotated_key_goes_on_for_its_grace(site: Any, clock: Any) -> None:
    browser = await site.browser("Ada")
    old = (await browser.post("/account/keys", json={"name": "laptop", "scopes": ["chat"]})).json()
    answer = await browser.post(f"/account/keys/{old['id']}/rotate", json={"grace_seconds": 3600})
    assert answer.status_code == 201
    new = answer.json()
    assert (new["name"], new["scopes"]) == ("laptop", ["chat"])
    programs = [await site.client(headers={"authorization": f"Bearer {made['key']}"}) for made in (old, new)]
    statuses = [(await program.post("/v1/chat/completions")).status_code for program in programs]
    assert statuses == [200, 200]
    clock.move(seconds=3601)
    statuses = [(await program.post("/v1/chat/completions")).status_code for program in programs]
    assert statuses == [401, 200]
    again = await browser.post(f"/account/keys/{old['id']}/rotate", json={})
    assert again.status_code == 400


async def test_an_expired_key_opens_nothing(site: Any, clock: Any) -> None:
    browser = await site.browser("Ada")
    key = await site.new_key(browser, expires_in_days=1)
    program = await site.client(headers={"authorization": f"Bearer {key}"})
    assert (await program.get("/v1/models")).status_code == 200
    clock.move(days=1)
    assert (await program.get("/v1/models")).status_code == 401
    assert (await browser.get("/account/keys")).json()["keys"][0]["status"] == "expired"


async def test_nobody_touches_the_keys_of_another(site: Any) -> None:
    ada, eve = await site.browser("Ada"), await site.browser("Eve")
    made = (await ada.post("/account/keys", json={"name": "laptop"})).json()
    assert (await eve.get("/account/keys")).json()["keys"] == []
    path = f"/account/keys/{made['id']}"
    assert (await eve.patch(path, json={"name": "mine"})).status_code == 404
    assert (await eve.post(f"{path}/rotate", json={})).status_code == 404
    assert (await eve.delete(path)).status_code == 404
    assert (await ada.get("/account/keys")).json()["keys"][0]["status"] == "active"


async def test_a_key_makes_no_keys(site: Any) -> None:
    key = await site.new_key(await site.browser("Ada"))
    program = await site.browser(headers={"authorization": f"Bearer {key}"})
    assert (await program.get("/account/keys")).status_code == 401
    assert (await program.post("/account/keys", json={"name": "more"})).status_code == 401
    assert (await program.get("/account/usage")).status_code == 401


async def test_a_guest_has_no_keys(site: Any) -> None:
    guest = await site.browser()
    assert (await guest.get("/account/keys")).status_code == 401
    assert (await guest.post("/account/keys", json={"name": "laptop"})).status_code == 401


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "two\r\nlines"}, "name"),
        ({"name": "nul\x00"}, "name"),
        ({"name": "a", "scopes": ["keys:write"]}, "scopes"),
        ({"name": "a", "scopes": ["chat keys:write"]}, "scopes"),
        ({"name": "a", "scopes": []}, "scopes"),
        ({"name": "a", "expires_in_days": 0}, "expires_in_days"),
        ({"name": "a", "expires_in_days": 10**30}, "expires_in_days"),
    ],
)
async def test_a_bad_order_names_its_field(site: Any, body: dict[str, Any], param: str) -> None:
    browser = await site.browser("Ada")
    answer = await browser.post("/account/keys", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert (await browser.get("/account/keys")).json()["keys"] == []


async def test_there_is_an_end_to_keys(site: Any) -> None:
    browser = await site.browser("Ada")
    for _ in range(100):
        key = await site.new_key(browser)
    answer = await browser.post("/account/keys", json={"name": "one more"})
    assert answer.status_code == 400
    assert "100" in answer.json()["error"]["message"]
    listed = (await browser.get("/account/keys")).json()["keys"]
    await browser.delete(f"/account/keys/{next(row['id'] for row in listed if row['tail'] == key[-4:])}")
    await site.new_key(browser)


_CHANGES = [
    ("POST", "/account/keys"),
    ("PATCH", "/account/keys/{id}"),
    ("POST", "/account/keys/{id}/rotate"),
    ("DELETE", "/account/keys/{id}"),
    ("POST", "/account/token"),
    ("POST", "/account/sign-out"),
    ("POST", "/device"),
]


@pytest.mark.parametrize(("method", "path"), _CHANGES)
@pytest.mark.parametrize("is_single", [False, True], ids=["people", "single user"])
async def test_no_change_without_the_page(
    is_single: bool, method: str, path: str, site: Any, local_site: Any
) -> None:
    site = local_site if is_single else site
    browser = await site.browser(None if is_single else "Ada")
    key = (await browser.post("/account/keys", json={"name": "name"})).json()
    other = await site.browser(None if is_single else "Eve")
    good, bad = browser.headers["x-csrf-token"], other.headers["x-csrf-token"]
    attacks = [
        {"x-csrf-token": ""},
        {"x-csrf-token": bad},
        {"x-csrf-token": good[:-1]},
        {"x-csrf-token": good, "origin": "https://evil.example"},
        {"x-csrf-token": good, "origin": "null"},
        {"x-csrf-token": good, "sec-fetch-site": "cross-site"},
        {"x-csrf-token": good, "sec-fetch-site": "same-site"},
    ]
    for headers in attacks:
        answer = await browser.request(method, path.format(id=key["id"]), headers=headers, json={"name": "x"})
        # In single-user mode a foreign page is not even the local user's.
        assert answer.status_code in {401, 403}, (headers, answer.text)
    listed = (await browser.get("/account/keys")).json()["keys"]
    assert [(row["name"], row["status"]) for row in listed] == [("name", "active")]
