"""Who is let into the API, and who is not?"""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from nemotron_app.accounts import key_text
from nemotron_app.accounts.principal import LOCAL
from nemotron_app.accounts.secret import Secret
from nemotron_app.accounts.session_token import SessionTokens
from nemotron_app.accounts.throttle import MemoryThrottle

_ISSUER = "nemotron-playground"


async def _refusal(site: Any, authorization: str | list[str]) -> tuple[int, str, str]:
    values = [authorization] if isinstance(authorization, str) else authorization
    program = await site.client(headers=[(b"authorization", value.encode()) for value in values])
    answer = await program.get("/v1/models")
    return answer.status_code, answer.headers["www-authenticate"], answer.text


async def test_without_a_key_nobody_comes_in(site: Any) -> None:
    answer = await (await site.client()).get("/v1/models")
    assert answer.status_code == 401
    # RFC 6750, section 3: who sent nothing is told no error code.
    assert answer.headers["www-authenticate"] == 'Bearer realm="nemotron-playground"'


async def test_all_bad_keys_look_alike(site: Any, clock: Any) -> None:
    browser = await site.browser("Ada")
    expired = await site.new_key(browser, expires_in_days=1)
    revoked = await site.new_key(browser)
    listed = (await browser.get("/account/keys")).json()["keys"]
    await browser.delete(f"/account/keys/{next(row['id'] for row in listed if row['tail'] == revoked[-4:])}")
    good = await site.new_key(browser)
    clock.move(days=2)
    bad = [
        key_text.mint(),
        expired,
        revoked,
        good[:-1],
        good + "x",
        good.lower() if good != good.lower() else good.upper(),
        "npg_",
        "nvapi-" + good,
        "x.y.z",
        "Ünicode",
    ]
    answers = {await _refusal(site, f"Bearer {key}") for key in bad}
    answers.add(await _refusal(site, "Bearer"))
    answers.add(await _refusal(site, f"Basic {base64.b64encode(good.encode()).decode()}"))
    answers.add(await _refusal(site, [f"Bearer {good}", f"Bearer {good}"]))
    assert len(answers) == 1
    status, header, text = answers.pop()
    assert (status, header) == (401, 'Bearer realm="nemotron-playground", error="invalid_token"')
    assert json.loads(text)["error"]["code"] == "invalid_api_key"


async def test_the_word_bearer_may_be_written_anyhow(site: Any) -> None:
    key = await site.new_key(await site.browser("Ada"))
    program = await site.client(headers={"authorization": f"bEARER {key}"})
    assert (await program.get("/v1/models")).status_code == 200


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ("models:read", "/v1/models/nemotron"),
        ("chat", "/v1/chat/completions"),
        ("completions", "/v1/completions"),
        ("usage:read", "/v1/usage"),
    ],
)
async def test_a_scope_opens_its_route_alone(site: Any, scope: str, path: str) -> None:
    key = await site.new_key(await site.browser("Ada"), scopes=[scope])
    program = await site.client(headers={"authorization": f"Bearer {key}"})
    for other in ("/v1/models", "/v1/chat/completions", "/v1/completions", "/v1/usage"):
        answer = await program.get(other)
        if path.startswith(other):
            assert answer.status_code == 200
        else:
            assert answer.status_code == 403
            assert answer.json()["error"]["code"] == "insufficient_scope"
            assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


async def test_a_key_for_one_model_opens_no_other(site: Any) -> None:
    key = await site.new_key(await site.browser("Ada"), models=["small"])
    program = await site.client(headers={"authorization": f"Bearer {key}"})
    assert (await program.get("/v1/models", params={"model": "small"})).status_code == 200
    answer = await program.get("/v1/models", params={"model": "large"})
    assert answer.status_code == 403
    assert answer.json()["error"]["param"] == "model"


@pytest.mark.parametrize("name", ["api_key", "access_token", "KEY", "anything"])
async def test_a_key_in_the_address_is_refused(site: Any, name: str) -> None:
    key = await site.new_key(await site.browser("Ada"))
    for headers in ({}, {"authorization": f"Bearer {key}"}):
        program = await site.client(headers=headers)
        answer = await program.get("/v1/models", params={name: key})
        assert answer.status_code == 400
        assert key not in answer.text


class _Unreachable:
    """A throttle that stands before the store, and that nothing may reach."""

    async def attempt(self, address: str) -> None:
        raise AssertionError("the store was asked")

    async def forgive(self, address: str) -> None:
        raise AssertionError("the store was asked")


async def test_junk_never_reaches_the_store(make_site: Any) -> None:
    site = await make_site(throttle=_Unreachable(), may_be_single_user_anywhere=True, host="0.0.0.0")
    key = key_text.mint()
    for junk in (key[:-1], key[:-1] + ("0" if key[-1] != "0" else "1"), "npg_" + "0" * 36):
        assert (await _refusal(site, f"Bearer {junk}"))[0] == 401


async def test_guessing_is_slowed_by_address(make_site: Any, provider: Any) -> None:
    now = [0.0]
    throttle = MemoryThrottle(burst=3, per_minute=60, timer=lambda: now[0])
    guarded = await make_site(providers=(provider,), throttle=throttle)
    good = await guarded.new_key(await guarded.browser("Ada"))
    known = await guarded.client(headers={"authorization": f"Bearer {good}"})
    assert (await known.get("/v1/models")).status_code == 200
    statuses = [(await _refusal(guarded, f"Bearer {key_text.mint()}"))[0] for _ in range(3)]
    assert statuses == [401] * 3
    guess = await guarded.client(headers={"authorization": f"Bearer {key_text.mint()}"})
    answer = await guess.get("/v1/models")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    # A key that was good a moment ago goes on, and so do other addresses.
    assert (await known.get("/v1/models")).status_code == 200
    elsewhere = await guarded.client(address="192.0.2.7", headers=guess.headers)
    assert (await elsewhere.get("/v1/models")).status_code == 401
    now[0] = 1.0
    assert (await guess.get("/v1/models")).status_code == 401


def _tokens(clock: Any, secret: str = "a secret that is long enough for every test") -> SessionTokens:
    return SessionTokens(Secret(secret), _ISSUER, clock)


async def test_a_session_token_lasts_five_minutes(site: Any, clock: Any) -> None:
    browser = await site.browser("Ada")
    answer = await browser.post("/account/token")
    assert answer.headers["cache-control"] == "no-store"
    program = await site.client(headers={"authorization": f"Bearer {answer.json()['token']}"})
    assert (await program.get("/v1/usage")).status_code == 200
    clock.move(seconds=299)
    assert (await program.get("/v1/usage")).status_code == 200
    clock.move(seconds=1)
    assert (await program.get("/v1/usage")).status_code == 401


def _sign(key: Any, header: dict[str, Any], claims: dict[str, Any]) -> str:
    return jwt.encode(header, claims, key, algorithms=[header["alg"]])


def _segment(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_a_forged_session_token_opens_nothing(site: Any, clock: Any) -> None:
    tokens = _tokens(clock)
    good = tokens.mint(LOCAL).text
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in good.split(".")[:2])
    own = OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(b"\0" * 32))
    public = tokens.public_keys()["keys"][0]
    public_bytes = base64.urlsafe_b64decode(public["x"] + "==")
    body = good.split(".")[1]
    forgeries = {
        "another key": _sign(own, header, claims),
        "another secret": _tokens(clock, "another secret that is long enough").mint(LOCAL).text,
        "none": f"{_segment(header | {'alg': 'none'})}.{body}.",
        "None": f"{_segment(header | {'alg': 'NoNe'})}.{body}.",
        "HMAC with the public key": _sign(OctKey.import_key(public_bytes), header | {"alg": "HS256"}, claims),
        "HMAC with the public text": _sign(
            OctKey.import_key(public["x"].ljust(32, "=")), header | {"alg": "HS256"}, claims
        ),
        "a key in the header": _sign(own, header | {"jwk": own.as_dict(private=False)}, claims),
        "a changed claim": f"{good.split('.')[0]}.{_segment(claims | {'sub': 'admin'})}.{good.split('.')[2]}",
        "no signature": ".".join(good.split(".")[:2]) + ".",
        "five parts": good + ".x.y",
        "cut": good[:-2],
    }
    for name, forgery in forgeries.items():
        assert tokens.read(forgery) is None, name
        assert (await _refusal(site, f"Bearer {forgery}"))[0] == 401, name


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"aud": []},
        {"client_id": "another"},
        {"exp": 0},
        {"exp": "never"},
        {"exp": None},
        {"iat": 4_000_000_000},
        {"sub": None},
    ],
)
async def test_a_well_signed_token_with_wrong_claims_is_no_token(clock: Any, changes: dict[str, Any]) -> None:
    tokens = _tokens(clock)
    good = tokens.mint(LOCAL).text
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in good.split(".")[:2])
    changed = {name: value for name, value in (claims | changes).items() if value is not None}
    assert tokens.read(_sign(tokens._key, header, claims)) is not None
    assert tokens.read(_sign(tokens._key, header, changed)) is None


async def test_another_kind_of_token_is_no_access_token(clock: Any) -> None:
    tokens = _tokens(clock)
    good = tokens.mint(LOCAL).text
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in good.split(".")[:2])
    for kind in ("JWT", "logout+jwt", ""):
        assert tokens.read(_sign(tokens._key, header | {"typ": kind}, claims)) is None
    del header["typ"]
    assert tokens.read(_sign(tokens._key, header, claims)) is None


async def test_the_public_key_is_published_alone(site: Any, clock: Any) -> None:
    (key,) = (await (await site.client()).get("/oauth/jwks")).json()["keys"]
    assert "d" not in key
    text = _tokens(clock).mint(LOCAL).text
    assert jwt.decode(text, OKPKey.import_key(key), algorithms=["Ed25519"]).claims["sub"] == "local"


async def test_guests_of_a_neighbourhood_share_a_network(site: Any) -> None:
    callers = []
    for address in ("192.0.2.1", "192.0.2.200", "192.0.3.1", "2001:db8::1", "2001:db8:0:ff::1"):
        guest = await site.browser(address=address)
        token = (await guest.post("/account/token")).json()["token"]
        program = await site.client(headers={"authorization": f"Bearer {token}"})
        callers.append((await program.get("/v1/models")).json())
    assert {caller["tier"] for caller in callers} == {"guest"}
    assert len({caller["id"] for caller in callers}) == 5
    one, near, far, six, six_near = (caller["network"] for caller in callers)
    assert one == near
    assert six == six_near
    assert len({one, far, six}) == 3
    assert "192" not in one


async def test_a_guest_is_known_again_and_cannot_name_themselves(site: Any) -> None:
    guest = await site.browser()
    first = await site.accounts.page_token(_connection(guest.cookies["nemotron_visitor"]))
    again = await site.accounts.page_token(_connection(guest.cookies["nemotron_visitor"]))
    forged = await site.accounts.page_token(_connection("made-up.signature"))
    ids = [site.accounts.tokens.read(token.text).principal.id for token in (first, again, forged)]
    assert ids[0] == ids[1] != ids[2]


def _connection(visitor: str) -> Any:
    from starlette.requests import Request

    headers = [(b"host", b"127.0.0.1:7860"), (b"cookie", f"nemotron_visitor={visitor}".encode())]
    scope = {"type": "http", "method": "GET", "scheme": "http", "path": "/", "query_string": b""}
    return Request(scope | {"headers": headers, "client": ("192.0.2.1", 1), "server": ("127.0.0.1", 7860)})


async def test_without_guests_only_people_have_tokens(make_site: Any, provider: Any) -> None:
    closed = await make_site(providers=(provider,), has_guests=False)
    guest = await closed.browser()
    assert (await guest.post("/account/token")).status_code == 401
    assert (await (await closed.browser("Ada")).post("/account/token")).status_code == 200


async def test_in_single_user_mode_no_key_is_needed(local_site: Any) -> None:
    answer = await (await local_site.client()).post("/v1/chat/completions")
    assert answer.json() == {"id": "local", "tier": "local", "network": "", "key": ""}


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"host": "rebound.evil.example"},
        {"host": "localhost.evil.example:7860"},
        {"host": ""},
    ],
)
async def test_a_foreign_page_is_not_the_local_user(local_site: Any, headers: dict[str, str]) -> None:
    program = await local_site.client(headers=headers)
    assert (await program.post("/v1/chat/completions")).status_code == 401
    assert (await program.get("/account/keys")).status_code == 401


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "[::1]:7860", "LOCALHOST"])
async def test_every_name_of_this_machine_is_the_local_user(local_site: Any, host: str) -> None:
    headers = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
    program = await local_site.client(headers=headers)
    assert (await program.post("/v1/chat/completions")).json()["id"] == "local"


async def test_a_bad_key_is_not_the_local_user(local_site: Any) -> None:
    assert (await _refusal(local_site, f"Bearer {key_text.mint()}"))[0] == 401


async def test_the_page_shows_when_a_key_was_last_used(site: Any, clock: Any) -> None:
    key = await site.new_key(await site.browser("Ada"))
    program = await site.client(headers={"authorization": f"Bearer {key}"})
    await program.get("/v1/models")
    (listed,) = (await (await site.browser("Ada")).get("/account/keys")).json()["keys"]
    assert listed["last_used"] == clock().isoformat()
