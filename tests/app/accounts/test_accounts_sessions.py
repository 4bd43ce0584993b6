"""Is a browser's session its own?"""

from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from nemotron_app.accounts.browser.redirect import safe_path
from nemotron_app.accounts.browser.session import BrowserSession, SessionCookie
from nemotron_app.accounts.errors import Misconfigured
from nemotron_app.accounts.options import OAuthProvider, OpenIdProvider
from nemotron_app.accounts.store.sessions import DatabaseSessions, RedisSessions, Sessions


@pytest.fixture(params=["database", "redis"])
async def sessions(request: pytest.FixtureRequest, database: Any, clock: Any, redis_url: str) -> Any:
    if request.param == "database":
        yield DatabaseSessions(database, clock)
        return
    redis = Redis.from_url(redis_url, decode_responses=True)
    await redis.flushdb()
    yield RedisSessions(redis)
    await redis.aclose()


async def test_a_session_is_kept_until_it_is_deleted(sessions: Sessions) -> None:
    assert await sessions.read("digest") is None
    await sessions.write("digest", {"user": "user_1"}, timedelta(hours=1))
    await sessions.write("digest", {"user": "user_2", "more": {"a": 1}}, timedelta(hours=1))
    assert await sessions.read("digest") == {"user": "user_2", "more": {"a": 1}}
    await sessions.delete("digest")
    assert await sessions.read("digest") is None


async def test_a_session_ends(database: Any, clock: Any) -> None:
    sessions = DatabaseSessions(database, clock)
    await sessions.write("digest", {"user": "user_1"}, timedelta(hours=1))
    clock.move(hours=1)
    assert await sessions.read("digest") is None
    await sessions.delete_expired()
    async with database.reading() as session:
        assert (await session.scalars(text("SELECT count(*) FROM sessions"))).one() == 0


async def test_redis_forgets_a_session_by_itself(redis_url: str) -> None:
    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        await RedisSessions(redis).write("digest", {"user": "user_1"}, timedelta(hours=1))
        assert 3590 < await redis.ttl("session:digest") <= 3600


async def test_signing_in_changes_the_id(site: Any) -> None:
    cookie: SessionCookie = site.accounts.sessions
    session = BrowserSession(id="", data={"next": "/"}, stored_id="")
    await cookie.keep(session)
    before = session.id
    session = BrowserSession(id=before, data={"next": "/"}, stored_id=before, stored={"next": "/"})
    session.sign_in("user_1")
    await cookie.keep(session)
    assert session.id not in {"", before}
    for session_id, is_known in ((before, False), (session.id, True)):
        client = await site.client(cookies={"nemotron_session": session_id})
        opened = await cookie.open(_request(client))
        assert bool(opened.data) == is_known


def _request(client: Any) -> Any:
    from starlette.requests import Request

    text = f"nemotron_session={client.cookies['nemotron_session']}"
    scope = {"type": "http", "method": "GET", "scheme": "http", "path": "/", "query_string": b""}
    return Request(scope | {"headers": [(b"cookie", text.encode())], "client": None, "server": None})


async def test_an_id_that_the_server_did_not_make_is_not_taken_over(site: Any) -> None:
    client = await site.client(cookies={"nemotron_session": "chosen-by-an-attacker"})
    answer = await client.get("/account/me")
    assert answer.json()["user"] is None
    assert "nemotron_session" not in answer.headers.get("set-cookie", "")
    async with site.accounts.database.reading() as session:
        assert (await session.scalars(text("SELECT count(*) FROM sessions"))).one() == 0


async def test_a_visitor_costs_no_row(site: Any) -> None:
    for _ in range(3):
        await site.browser()
    async with site.accounts.database.reading() as session:
        assert (await session.scalars(text("SELECT count(*) FROM sessions"))).one() == 0


async def test_the_database_does_not_hold_the_id(site: Any) -> None:
    session_id = await site.sign_in("Ada")
    async with site.accounts.database.reading() as session:
        rows = (await session.execute(text("SELECT * FROM sessions"))).all()
    assert session_id not in str(rows)


async def test_signing_out_ends_the_session_everywhere(site: Any) -> None:
    browser = await site.browser("Ada")
    stolen = await site.client(cookies={"nemotron_session": browser.cookies["nemotron_session"]})
    assert (await stolen.get("/account/keys")).status_code == 200
    answer = await browser.post("/account/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert 'nemotron_session=""' in answer.headers["set-cookie"]
    assert (await stolen.get("/account/keys")).status_code == 401


async def test_a_session_ends_after_its_lifetime(site: Any, clock: Any) -> None:
    browser = await site.browser("Ada")
    clock.move(days=13)
    assert (await browser.get("/account/keys")).status_code == 200
    clock.move(days=1)
    assert (await browser.get("/account/keys")).status_code == 401


async def test_the_cookies_are_the_browsers_alone(make_site: Any, provider: Any) -> None:
    site = await make_site(providers=(provider,), trusted_proxies=("127.0.0.1",))
    plain = (await (await site.client()).get("/account/me")).headers["set-cookie"]
    assert plain.startswith("nemotron_visitor=")
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(plain.split("; "))
    assert "Secure" not in plain
    behind_tls = await site.client(headers={"x-forwarded-proto": "https"})
    secure = (await behind_tls.get("/account/me")).headers["set-cookie"]
    assert secure.startswith("__Host-nemotron_visitor=")
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(secure.split("; "))
    assert "Domain" not in secure


@pytest.mark.parametrize(
    "path", ["/", "/keys", "/device?user_code=AB-CD", "/a//b", "/?u=https://evil.example"]
)
def test_a_path_of_ours_is_gone_back_to(path: str) -> None:
    assert safe_path(path) == path


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "https://evil.example",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/ok\r\nSet-Cookie: a=b",
        "/ok\\..\\evil",
        "javascript:alert(1)",
        "evil.example",
        " /ok",
        "/ ok",
        "/\x7f/evil.example",
    ],
)
def test_any_other_target_is_the_front_page(target: str | None) -> None:
    assert safe_path(target) == "/"


async def test_a_single_user_is_refused_on_an_open_address(make_site: Any) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "play.example"):
        with pytest.raises(Misconfigured, match="no sign-in provider"):
            await make_site(host=host)
    await make_site(host="0.0.0.0", may_be_single_user_anywhere=True)


async def test_a_provider_must_be_reached_by_tls(make_site: Any) -> None:
    named: Any = {"name": "op", "title": "OP", "client_id": "us", "client_secret": "s"}
    urls: Any = {"authorize_url": "https://a.example", "profile_url": "https://a.example", "scope": ""}
    with pytest.raises(Misconfigured, match="https"):
        await make_site(providers=(OpenIdProvider(issuer="http://op.example", **named),))
    with pytest.raises(Misconfigured, match="https"):
        await make_site(providers=(OAuthProvider(token_url="http://op.example", **urls, **named),))


def test_options_print_no_secret(provider: OpenIdProvider) -> None:
    assert "ours" not in repr(provider)
