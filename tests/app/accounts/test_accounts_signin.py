"""Is nobody signed in by an answer that is forged, stolen, replayed or mixed up?"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from sqlalchemy import text

from nemotron_app.accounts import OAuthProvider, OpenIdProvider
from nemotron_app.accounts.store.moment import utc_now

_CLIENT = "playground"
_SECRET = "a secret between the two of them"
_RSA = RSAKey.generate_key(2048, {"kid": "one"})
_OTHER_RSA = RSAKey.generate_key(2048, {"kid": "one"})

Twist = Callable[[dict[str, Any]], Any]


def _rs256(claims: dict[str, Any], key: RSAKey = _RSA) -> str:
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)


def _segment(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@dataclass
class TinyProvider:
    """A provider that signs whatever a test tells it to."""

    url: str = ""
    discovered: dict[str, Any] = field(default_factory=dict)
    token: Twist = _rs256
    token_answer: Response | None = None
    profile: dict[str, Any] = field(default_factory=dict)
    waiting: dict[str, dict[str, str]] = field(default_factory=dict)

    def app(self) -> FastAPI:
        app = FastAPI()
        app.get("/.well-known/openid-configuration")(self.discovery)
        app.get("/jwks")(self.jwks)
        app.post("/token")(self.give_token)
        app.get("/profile")(self.give_profile)
        return app

    def approve(self, location: str) -> dict[str, str]:
        """What the provider would send the browser back with, its person having agreed."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert asked["code_challenge_method"] == "S256"
        assert asked["response_type"] == "code"
        code = f"code-{len(self.waiting)}-{asked['state']}"
        self.waiting[code] = asked
        return {"code": code, "state": asked["state"]}

    async def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        } | self.discovered

    async def jwks(self) -> dict[str, Any]:
        return dict(KeySet([_RSA]).as_dict(private=False))

    async def give_token(self, request: Request) -> Response:
        form = await request.form()
        asked = self.waiting.pop(str(form["code"]), None)
        challenge = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        encoded = base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
        if (
            asked is None
            or asked["code_challenge"] != encoded
            or asked["redirect_uri"] != form["redirect_uri"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        if self.token_answer is not None:
            return self.token_answer
        answer = {"access_token": "access", "token_type": "Bearer", "expires_in": 60}
        if "nonce" in asked:
            answer |= self._id_token(asked)
        return JSONResponse(answer)

    async def give_profile(self) -> dict[str, Any]:
        return self.profile

    def _id_token(self, asked: dict[str, str]) -> dict[str, Any]:
        now = int(utc_now().timestamp())
        claims = {
            "iss": self.url,
            "aud": _CLIENT,
            "sub": "ada",
            "name": "Ada",
            "iat": now,
            "exp": now + 60,
            "nonce": asked["nonce"],
        }
        made = self.token(claims)
        return {} if made is None else {"id_token": made}


@pytest.fixture
async def op(serve: Any) -> TinyProvider:
    op = TinyProvider()
    op.url = await serve(op.app())
    return op


@pytest.fixture
async def site(make_site: Any, op: TinyProvider) -> Any:
    named = {"client_id": _CLIENT, "client_secret": _SECRET}
    providers = (
        OpenIdProvider(name="op", title="OP", issuer=op.url, **named),
        OpenIdProvider(name="other", title="Other", issuer=op.url, **named),
        OAuthProvider(
            name="hub",
            title="Hub",
            authorize_url=f"{op.url}/authorize",
            token_url=f"{op.url}/token",
            profile_url=f"{op.url}/profile",
            scope="read:user",
            client_id=_CLIENT,
            client_secret=_SECRET,
        ),
    )
    return await make_site(providers=providers)


async def _begin(browser: Any, name: str = "op", next: str = "/keys") -> str:  # noqa: A002
    answer = await browser.get(f"/signin/{name}", params={"next": next})
    assert answer.status_code == 302, answer.text
    location: str = answer.headers["location"]
    return location


async def _finish(browser: Any, op: TinyProvider, name: str = "op", next: str = "/keys") -> Any:  # noqa: A002
    back = op.approve(await _begin(browser, name, next))
    return await browser.get(f"/signin/{name}/callback", params=back)


async def _name(browser: Any) -> str | None:
    user = (await browser.get("/account/me")).json()["user"]
    return None if user is None else user["name"]


async def test_a_good_answer_signs_in_and_goes_on(site: Any, op: TinyProvider) -> None:
    browser = await site.client()
    location = await _begin(browser)
    before = browser.cookies["nemotron_session"]
    answer = await browser.get("/signin/op/callback", params=op.approve(location))
    assert (answer.status_code, answer.headers["location"]) == (303, "/keys")
    assert await _name(browser) == "Ada"
    # Whoever planted or saw the old id is left with nothing.
    assert browser.cookies["nemotron_session"] != before
    assert await _name(await site.client(cookies={"nemotron_session": before})) is None


async def test_the_provider_learns_no_more_than_it_must(site: Any) -> None:
    asked = parse_qs(urlsplit(await _begin(await site.client())).query)
    assert asked["redirect_uri"] == ["http://127.0.0.1:7860/signin/op/callback"]
    assert asked["scope"] == ["openid profile email"]
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    assert "code_verifier" not in asked


def _with(**changes: Any) -> Twist:
    def token(claims: dict[str, Any]) -> str:
        return _rs256({name: value for name, value in (claims | changes).items() if value is not None})

    return token


def _unsigned(claims: dict[str, Any]) -> str:
    return f"{_segment({'alg': 'none'})}.{_segment(claims)}."


def _hmac(secret: bytes) -> Twist:
    """By hand, because joserfc refuses to sign with what looks like a public key."""

    def token(claims: dict[str, Any]) -> str:
        body = f"{_segment({'alg': 'HS256', 'kid': 'one'})}.{_segment(claims)}"
        signature = hmac.digest(secret, body.encode(), hashlib.sha256)
        return f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    return token


_TWISTS: dict[str, Twist] = {
    "audience": _with(aud="someone-else"),
    "audience, with azp ours": _with(aud=["someone-else"], azp=_CLIENT),
    "audience missing": _with(aud=None),
    "issuer": _with(iss="https://evil.example"),
    "issuer missing": _with(iss=None),
    "nonce": _with(nonce="another"),
    "nonce missing": _with(nonce=None),
    "expired": _with(exp=int(utc_now().timestamp()) - 60),
    "expiry missing": _with(exp=None),
    "subject missing": _with(sub=None),
    "made in the future": _with(iat=int(utc_now().timestamp()) + 3600),
    "another access token": _with(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
    "unsigned": _unsigned,
    "signed with our secret": _hmac(_SECRET.encode()),
    "signed with the public key": _hmac(_RSA.as_pem(private=False)),
    "signed by another": lambda claims: _rs256(claims, _OTHER_RSA),
    "no ID token": lambda claims: None,
    "no JWT": lambda claims: "x.y.z",
    "not a text": lambda claims: 7,
}


@pytest.mark.parametrize("twist", _TWISTS.values(), ids=_TWISTS.keys())
async def test_a_wrong_id_token_signs_nobody_in(site: Any, op: TinyProvider, twist: Twist) -> None:
    op.token = twist
    browser = await site.client()
    answer = await _finish(browser, op)
    assert answer.status_code == 400
    assert "did not succeed" in answer.text
    assert await _name(browser) is None
    op.token = _rs256
    assert (await _finish(browser, op)).status_code == 303


@pytest.mark.parametrize(
    "answer",
    [
        PlainTextResponse("<html>out of order</html>"),
        JSONResponse([]),
        JSONResponse({}),
        JSONResponse({"error": "<script>", "error_description": "<script>"}, 400),
        PlainTextResponse("", 500),
    ],
    ids=["HTML", "list", "empty", "error", "500"],
)
async def test_a_broken_provider_signs_nobody_in(site: Any, op: TinyProvider, answer: Response) -> None:
    op.token_answer = answer
    browser = await site.client()
    refused = await _finish(browser, op)
    assert refused.status_code in {400, 502}
    assert "<script>" not in refused.text
    assert await _name(browser) is None


async def test_an_answer_works_once(site: Any, op: TinyProvider) -> None:
    browser = await site.client()
    back = op.approve(await _begin(browser))
    assert (await browser.get("/signin/op/callback", params=back)).status_code == 303
    assert (await browser.get("/signin/op/callback", params=back)).status_code == 400


async def test_a_replayed_code_signs_nobody_in(site: Any, op: TinyProvider) -> None:
    ada, eve = await site.client(), await site.client()
    stolen = op.approve(await _begin(ada))
    assert (await ada.get("/signin/op/callback", params=stolen)).status_code == 303
    own = op.approve(await _begin(eve))
    answer = await eve.get("/signin/op/callback", params=own | {"code": stolen["code"]})
    assert answer.status_code == 400
    assert await _name(eve) is None


async def test_a_stolen_code_does_not_fit_another_browser(site: Any, op: TinyProvider) -> None:
    ada, eve = await site.client(), await site.client()
    stolen = op.approve(await _begin(ada))
    own = op.approve(await _begin(eve))
    answer = await eve.get("/signin/op/callback", params=own | {"code": stolen["code"]})
    assert answer.status_code == 400  # the provider sees that the verifier is not Ada's
    assert await _name(eve) is None


async def test_a_mixed_up_state_signs_nobody_in(site: Any, op: TinyProvider) -> None:
    ada, eve = await site.client(), await site.client()
    hers, his = op.approve(await _begin(ada)), op.approve(await _begin(eve))
    for params in (his, {"code": hers["code"]}, hers | {"state": ""}, hers | {"state": "made-up"}):
        assert (await ada.get("/signin/op/callback", params=params)).status_code == 400
        assert await _name(ada) is None


async def test_a_browser_that_began_nothing_is_not_signed_in(site: Any, op: TinyProvider) -> None:
    back = op.approve(await _begin(await site.client()))
    victim = await site.client()
    assert (await victim.get("/signin/op/callback", params=back)).status_code == 400
    assert await _name(victim) is None


async def test_an_answer_to_another_provider_is_refused(site: Any, op: TinyProvider) -> None:
    browser = await site.client()
    back = op.approve(await _begin(browser, "op"))
    assert (await browser.get("/signin/other/callback", params=back)).status_code == 400
    assert await _name(browser) is None


async def test_an_answer_that_names_another_issuer_is_refused(site: Any, op: TinyProvider) -> None:
    browser = await site.client()
    back = op.approve(await _begin(browser))
    answer = await browser.get("/signin/op/callback", params=back | {"iss": "https://evil.example"})
    assert answer.status_code == 400
    good = op.approve(await _begin(browser)) | {"iss": op.url}
    assert (await browser.get("/signin/op/callback", params=good)).status_code == 303


async def test_a_provider_that_always_names_itself_must(site: Any, op: TinyProvider) -> None:
    op.discovered = {"authorization_response_iss_parameter_supported": True}
    browser = await site.client()
    assert (await _finish(browser, op)).status_code == 400


@pytest.mark.parametrize(
    "discovered",
    [{"issuer": "https://evil.example"}, {"issuer": None}, {"jwks_uri": None}, {"token_endpoint": ""}],
)
async def test_discovery_must_speak_for_the_issuer(
    site: Any, op: TinyProvider, discovered: dict[str, Any]
) -> None:
    op.discovered = discovered
    answer = await (await site.client()).get("/signin/op")
    assert answer.status_code == 400


async def test_a_refusal_at_the_provider_is_told_in_our_words(site: Any, op: TinyProvider) -> None:
    browser = await site.client()
    state = op.approve(await _begin(browser))["state"]
    params = {"error": "access_denied", "error_description": "<b>call 555-1234</b>", "state": state}
    answer = await browser.get("/signin/op/callback", params=params)
    assert answer.status_code == 400
    assert "555" not in answer.text


async def test_a_provider_that_is_away_is_told_as_such(make_site: Any) -> None:
    gone = OpenIdProvider(
        name="op", title="OP", issuer="http://127.0.0.1:1", client_id="us", client_secret="s"
    )
    site = await make_site(providers=(gone,))
    answer = await (await site.client()).get("/signin/op")
    assert answer.status_code == 502
    assert "does not answer" in answer.text


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/ok\r\nset-cookie: a=b"])
async def test_nobody_is_sent_elsewhere_after_signing_in(site: Any, op: TinyProvider, target: str) -> None:
    answer = await _finish(await site.client(), op, next=target)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "a=b" not in str(answer.headers)


async def test_a_provider_without_openid_connect_signs_in(site: Any, op: TinyProvider) -> None:
    op.profile = {"id": 583231, "login": "octocat", "name": None, "email": None}
    browser = await site.client()
    assert (await _finish(browser, op, "hub")).status_code == 303
    assert await _name(browser) == "octocat"
    async with site.accounts.database.reading() as session:
        rows = (await session.execute(text("SELECT provider, subject FROM identities"))).all()
    assert [tuple(row) for row in rows] == [(f"{op.url}/token", "583231")]


@pytest.mark.parametrize("profile", [{}, {"id": None}, {"id": ""}, {"id": ["1"]}, {"id": {"a": 1}}])
async def test_a_profile_without_an_id_signs_nobody_in(
    site: Any, op: TinyProvider, profile: dict[str, Any]
) -> None:
    op.profile = profile
    browser = await site.client()
    assert (await _finish(browser, op, "hub")).status_code == 400
    assert await _name(browser) is None


async def test_signing_out_goes_by_the_provider(site: Any, op: TinyProvider) -> None:
    op.discovered = {"end_session_endpoint": f"{op.url}/session/end"}
    browser = await site.client()
    await _finish(browser, op)
    token = (await browser.get("/account/me")).json()["csrf_token"]
    answer = await browser.post("/account/sign-out", data={"csrf_token": token})
    assert answer.status_code in {302, 303}
    asked = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    assert asked["post_logout_redirect_uri"] == "http://127.0.0.1:7860/signin/op/signed-out"
    assert asked["id_token_hint"].count(".") == 2
    assert await _name(browser) is None
    forged = await browser.get("/signin/op/signed-out", params={"state": "made-up"})
    assert forged.status_code == 400
    back = await browser.get("/signin/op/signed-out", params={"state": asked["state"]})
    assert (back.status_code, back.headers["location"]) == (303, "/")
