"""Does the command line get its key from a real server?"""

import asyncio
import re
from typing import Any

import httpx
import pytest

from nemotron_app.accounts import key_text
from nemotron_app.accounts.device_login import Invitation, LoginFailed, log_in


@pytest.fixture
async def server(local_site: Any, serve: Any) -> str:
    """The address of the single-user site."""
    address: str = await serve(local_site.app)
    return address


class Person:
    """Whoever reads the invitation, and answers it before the command line asks again."""

    def __init__(self, decision: str) -> None:
        self._decision = decision
        self.invitations: list[Invitation] = []

    def read(self, invitation: Invitation) -> None:
        self.invitations.append(invitation)

    def answer(self, seconds: float) -> None:
        (invitation,) = self.invitations
        with httpx.Client() as browser:
            page = browser.get(invitation.url)
            assert invitation.code in page.text
            found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
            assert found is not None
            form = {"csrf_token": found.group(1), "user_code": invitation.code, "decision": self._decision}
            url = invitation.url.partition("?")[0]
            browser.post(url, data=form, headers={"origin": url.removesuffix("/device")}).raise_for_status()


async def test_a_person_who_agrees_gives_a_key(server: str) -> None:
    person = Person("approve")
    key = await asyncio.to_thread(log_in, server, person.read, sleep=person.answer)
    assert key_text.is_well_formed(key)
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}) as program:
        assert (await program.get(f"{server}/v1/models")).json()["key"].startswith("key_")


async def test_a_person_who_refuses_gives_none(server: str) -> None:
    person = Person("deny")
    with pytest.raises(LoginFailed, match="denied"):
        await asyncio.to_thread(log_in, server, person.read, sleep=person.answer)


async def test_no_more_is_asked_for_than_there_is(server: str) -> None:
    with pytest.raises(LoginFailed, match="scope"):
        await asyncio.to_thread(log_in, server, Person("approve").read, scope="keys:write")


def test_a_server_that_is_not_there_is_said_so() -> None:
    with pytest.raises(LoginFailed, match="cannot be reached"):
        log_in("http://127.0.0.1:1", Person("approve").read)
