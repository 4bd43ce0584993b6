"""Does the authorization server keep to its RFCs, over HTTP and on both kinds of database?"""

import asyncio
import base64
import logging
import re
from typing import Any

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from nemotron_app.accounts import key_text

_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_CLI = "nemotron-playground-cli"


@pytest.fixture
async def site(make_site: Any, provider: Any, database_url: str) -> Any:
    return await make_site(providers=(provider,), database_url=database_url)


async def _token(client: Any, service: tuple[str, str], **form: str) -> Any:
    return await client.post("/oauth/token", auth=service, data={"grant_type": "client_credentials"} | form)


async def test_a_service_gets_a_key_for_an_hour(site: Any, clock: Any) -> None:
    service = await site.accounts.add_service("batch", scopes=("chat", "models:read"))
    client = await site.client()
    answer = await _token(client, service, scope="chat")
    assert answer.status_code == 200
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    token = answer.json()
    assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 3600, "chat")
    assert "refresh_token" not in token
    program = await site.client(headers={"authorization": f"Bearer {token['access_token']}"})
    assert (await program.post("/v1/chat/completions")).json()["id"] == service[0]
    assert (await program.get("/v1/models")).status_code == 403
    clock.move(hours=1)
    assert (await program.post("/v1/chat/completions")).status_code == 401


async def test_a_service_may_send_its_secret_in_the_form(site: Any) -> None:
    client_id, secret = await site.accounts.add_service("batch")
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    answer = await (await site.client()).post("/oauth/token", data=form)
    assert answer.json()["scope"] == "models:read chat completions usage:read"


async def test_a_service_gets_no_more_than_its_scopes(site: Any) -> None:
    service = await site.accounts.add_service("batch", scopes=("chat",))
    client = await site.client()
    for scope in ("models:read", "chat models:read", "keys:write"):
        answer = await _token(client, service, scope=scope)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param(lambda i, s: f"{i}:wrong", id="wrong secret"),
        pytest.param(lambda i, s: f"{i}:", id="no secret"),
        pytest.param(lambda i, s: f"nobody:{s}", id="unknown client"),
        pytest.param(lambda i, s: f"{_CLI}:{s}", id="public client"),
        pytest.param(lambda i, s: f"nemotron-playground-page:{s}", id="the page's client"),
        pytest.param(lambda i, s: i, id="no colon"),
    ],
)
async def test_bad_client_credentials_get_nothing(site: Any, authorization: Any) -> None:
    service = await site.accounts.add_service("batch")
    text = base64.b64encode(authorization(*service).encode()).decode()
    client = await site.client(headers={"authorization": f"Basic {text}"})
    answer = await client.post("/oauth/token", data={"grant_type": "client_credentials"})
    assert answer.status_code in {400, 401}
    assert answer.json()["error"] in {"invalid_client", "unauthorized_client"}


@pytest.mark.parametrize("text", ["!!!", "gICA", "", base64.b64encode(b"\xff:\xff").decode()])
async def test_malformed_client_credentials_are_no_crash(site: Any, text: str) -> None:
    client = await site.client(headers={"authorization": f"Basic {text}"})
    answer = await client.post("/oauth/token", data={"grant_type": "client_credentials"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_only_plain_forms_are_read(site: Any) -> None:
    service = await site.accounts.add_service("batch")
    client = await site.client(auth=service)
    form = {"grant_type": "client_credentials"}
    twice = "grant_type=client_credentials&grant_type=client_credentials"
    answers = [
        await client.post("/oauth/token", json=form),
        await client.post("/oauth/token", params=form),
        await client.post("/oauth/token", data=form, files={"file": b"x"}),
        await client.post(
            "/oauth/token", content=twice, headers={"content-type": "application/x-www-form-urlencoded"}
        ),
    ]
    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [
        (400, "invalid_request")
    ] * 4
    assert (await client.get("/oauth/token")).status_code == 405


@pytest.mark.parametrize("grant", ["password", "authorization_code", "refresh_token", "page", "implicit", ""])
async def test_no_other_grant_is_served(site: Any, grant: str) -> None:
    service = await site.accounts.add_service("batch")
    form = {"grant_type": grant, "username": "a", "password": "b", "client_id": _CLI}
    answer = await (await site.client()).post("/oauth/token", data=form, auth=service)
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


async def test_a_client_gives_back_its_own_key_alone(site: Any) -> None:
    mine = await site.accounts.add_service("mine")
    other = await site.accounts.add_service("other")
    client = await site.client()
    key = (await _token(client, mine)).json()["access_token"]
    program = await site.client(headers={"authorization": f"Bearer {key}"})
    refused = await client.post("/oauth/revoke", data={"token": key}, auth=other)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert (await program.get("/v1/models")).status_code == 200
    answer = await client.post("/oauth/revoke", data={"token": key}, auth=mine)
    assert (answer.status_code, answer.json()) == (200, {})
    assert (await program.get("/v1/models")).status_code == 401
    # RFC 7009, section 2.2: an unknown token is no error.
    unknown = await client.post("/oauth/revoke", data={"token": key_text.mint()}, auth=mine)
    assert unknown.status_code == 200
    assert (await client.post("/oauth/revoke", data={"token": key})).status_code == 401


async def test_introspection_tells_who_may_know(site: Any, clock: Any) -> None:
    mine = await site.accounts.add_service("mine", scopes=("chat",))
    other = await site.accounts.add_service("other")
    worker = await site.accounts.add_service("worker", may_introspect=True)
    client = await site.client()
    key = (await _token(client, mine)).json()["access_token"]

    async def ask(service: Any, token: str = key) -> Any:
        return (await client.post("/oauth/introspect", data={"token": token}, auth=service)).json()

    expected = {
        "active": True,
        "client_id": mine[0],
        "token_type": "Bearer",
        "scope": "chat",
        "sub": mine[0],
        "iat": int(clock().timestamp()),
        "exp": int(clock().timestamp()) + 3600,
    }
    assert await ask(mine) == expected
    assert await ask(worker) == expected
    assert await ask(other) == {"active": False}
    assert await ask(worker, key[:-1]) == {"active": False}
    await client.post("/oauth/revoke", data={"token": key}, auth=mine)
    assert await ask(worker) == {"active": False}
    nobody = await client.post("/oauth/introspect", data={"token": key, "client_id": _CLI})
    assert nobody.status_code == 401


async def test_the_metadata_is_valid_and_true(site: Any) -> None:
    client = await site.client()
    metadata = (await client.get("/.well-known/oauth-authorization-server")).json()
    # Authlib wants a response type; a server without an authorization endpoint has none to offer.
    assert metadata["response_types_supported"] == []
    AuthorizationServerMetadata(metadata | {"response_types_supported": ["none"]}).validate()
    assert metadata["issuer"] == "http://127.0.0.1:7860"
    for name in ("token", "revocation", "introspection", "device_authorization"):
        answer = await client.post(metadata[f"{name}_endpoint"].removeprefix(metadata["issuer"]), data={})
        assert answer.status_code in {400, 401}
        assert "error" in answer.json()


async def test_behind_tls_the_public_address_is_told(make_site: Any, provider: Any) -> None:
    site = await make_site(providers=(provider,), public_url="https://play.example/", host="0.0.0.0")
    client = await site.client(base_url="http://internal:7860")
    metadata = (await client.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["token_endpoint"] == "https://play.example/oauth/token"


async def test_keys_are_not_given_over_an_open_line(site: Any) -> None:
    service = await site.accounts.add_service("batch")
    client = await site.client(base_url="http://play.example")
    answer = await _token(client, service)
    assert (answer.status_code, answer.json()["error"]) == (400, "insecure_transport")


async def _start(client: Any, **form: str) -> Any:
    answer = await client.post("/oauth/device_authorization", data={"client_id": _CLI} | form)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _poll(client: Any, started: Any) -> Any:
    form = {"grant_type": _DEVICE_GRANT, "device_code": started["device_code"], "client_id": _CLI}
    return (await client.post("/oauth/token", data=form)).json()


async def _decide(browser: Any, user_code: str, decision: str) -> Any:
    shown = await browser.get("/device", params={"user_code": user_code})
    found = re.search(r'name="csrf_token" value="([^"]+)"', shown.text)
    assert found is not None, shown.text
    form = {"csrf_token": found.group(1), "user_code": user_code, "decision": decision}
    return await browser.post("/device", data=form, headers={"x-csrf-token": ""})


async def test_a_device_gets_its_key_when_its_person_agrees(site: Any, clock: Any) -> None:
    client, browser = await site.client(), await site.browser("Ada")
    started = await _start(client, scope="chat")
    assert started["verification_uri"] == "http://127.0.0.1:7860/device"
    assert (await _poll(client, started))["error"] == "authorization_pending"
    assert (await _poll(client, started))["error"] == "slow_down"
    page = await browser.get("/device", params={"user_code": started["user_code"]})
    assert "Chat with models" in page.text
    assert "List the models" not in page.text
    assert page.headers["x-frame-options"] == "DENY"
    clock.move(seconds=10)
    # The code may be typed anyhow.
    answer = await _decide(browser, started["user_code"].lower().replace("-", " "), "approve")
    assert "Device connected" in answer.text
    token = await _poll(client, started)
    assert (token["scope"], token["expires_in"]) == ("chat", 90 * 86_400)
    program = await site.client(headers={"authorization": f"Bearer {token['access_token']}"})
    assert (await program.post("/v1/chat/completions")).status_code == 200
    (listed,) = (await browser.get("/account/keys")).json()["keys"]
    assert listed["name"] == "Command line"
    assert (await _poll(client, started))["error"] == "invalid_request"


async def test_a_device_signs_itself_off(site: Any) -> None:
    client, browser = await site.client(), await site.browser("Ada")
    started = await _start(client)
    await _decide(browser, started["user_code"], "approve")
    key = (await _poll(client, started))["access_token"]
    await client.post("/oauth/revoke", data={"token": key, "client_id": _CLI})
    program = await site.client(headers={"authorization": f"Bearer {key}"})
    assert (await program.get("/v1/models")).status_code == 401


async def test_two_polls_at_once_get_one_key(site: Any) -> None:
    client, browser = await site.client(), await site.browser("Ada")
    started = await _start(client)
    await _decide(browser, started["user_code"], "approve")
    answers = await asyncio.gather(*(_poll(client, started) for _ in range(5)))
    assert sum("access_token" in answer for answer in answers) == 1
    assert len((await browser.get("/account/keys")).json()["keys"]) == 1


async def test_a_denied_device_gets_nothing(site: Any) -> None:
    client, browser = await site.client(), await site.browser("Ada")
    started = await _start(client)
    assert "Device refused" in (await _decide(browser, started["user_code"], "deny")).text
    assert (await _poll(client, started))["error"] == "access_denied"


async def test_a_code_that_is_too_old_gets_nothing(site: Any, clock: Any) -> None:
    client, browser = await site.client(), await site.browser("Ada")
    started = await _start(client)
    clock.move(seconds=601)
    assert (await _poll(client, started))["error"] == "expired_token"
    page = await browser.get("/device", params={"user_code": started["user_code"]})
    assert "No device waits for this code" in page.text


async def test_opening_the_address_agrees_to_nothing(site: Any) -> None:
    client, browser = await site.client(), await site.browser("Ada")
    started = await _start(client)
    await browser.get(started["verification_uri_complete"])
    assert (await _poll(client, started))["error"] == "authorization_pending"


async def test_whoever_is_not_signed_in_is_sent_to_sign_in_first(site: Any) -> None:
    guest = await site.browser()
    answer = await guest.get("/device", params={"user_code": "BCDF-GHJK"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/signin?next=%2Fdevice%3Fuser_code%3DBCDF-GHJK"


async def test_codes_cannot_be_guessed_for_long(site: Any) -> None:
    browser = await site.browser("Ada")
    statuses = {
        (await browser.get("/device", params={"user_code": "BCDF-GHJK"})).status_code for _ in range(25)
    }
    assert statuses == {200, 429}


async def test_another_client_cannot_use_the_code(site: Any) -> None:
    service = await site.accounts.add_service("batch")
    client, browser = await site.client(), await site.browser("Ada")
    started = await _start(client)
    await _decide(browser, started["user_code"], "approve")
    form = {"grant_type": _DEVICE_GRANT, "device_code": started["device_code"]}
    answer = await client.post("/oauth/token", data=form, auth=service)
    assert answer.json()["error"] == "invalid_client"


async def test_what_a_stranger_types_is_shown_as_text(site: Any) -> None:
    browser = await site.browser("Ada")
    page = await browser.get("/device", params={"user_code": '"><script>alert(1)</script>'})
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_authlibs_log_shows_no_key(site: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    service = await site.accounts.add_service("batch")
    client, browser = await site.client(), await site.browser("Ada")
    keys = [(await _token(client, service)).json()["access_token"]]
    started = await _start(client)
    await _decide(browser, started["user_code"], "approve")
    keys.append((await _poll(client, started))["access_token"])
    assert "Issue token" in caplog.text
    assert not [key for key in keys if key in caplog.text]
    assert service[1] not in caplog.text
