"""Does the page learn who looks at it?"""

from typing import Any


async def test_a_guest_learns_how_to_sign_in(site: Any) -> None:
    answer = await (await site.client()).get("/account/me")
    assert answer.headers["cache-control"] == "no-store"
    me = answer.json()
    assert me["user"] is None
    assert (me["is_guest"], me["is_single_user"], me["tier"]) == (True, False, "guest")
    assert me["providers"] == [{"name": "op", "title": "Provider", "url": "/signin/op"}]


async def test_a_person_sees_their_name(site: Any) -> None:
    me = (await (await site.browser("Ada")).get("/account/me")).json()
    assert me["user"]["name"] == "Ada"
    assert (me["is_guest"], me["tier"]) == (False, "free")


async def test_a_single_user_is_signed_in_already(local_site: Any) -> None:
    me = (await (await local_site.client()).get("/account/me")).json()
    assert me["user"]["id"] == "local"
    assert (me["is_single_user"], me["providers"]) == (True, [])


async def test_the_sign_in_page_offers_the_providers(site: Any) -> None:
    page = await (await site.client()).get("/signin", params={"next": '/keys"><script>'})
    assert "Continue with Provider" in page.text
    assert 'href="/signin/op?next=%2Fkeys%22%3E%3Cscript%3E"' in page.text
    assert "<script" not in page.text
    assert (await (await site.client()).get("/signin/unknown")).status_code == 404
