"""Does a whole sign-in work with a real provider, over HTTP and in a real browser?"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urljoin

import httpx
import pytest
import uvicorn
from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from playwright.async_api import async_playwright

from nemotron_app.accounts import Accounts, AccountsOptions, OpenIdProvider, Principal, create_accounts
from nemotron_app.errors import EXPECTED, problem_of
from nemotron_app.settings import Settings

_SECRET = "a secret that is long enough for every test"
_CHROMIUM = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Site:
    """A served site, its accounts, and the provider that its people sign in with."""

    url: str
    issuer: str
    accounts: Accounts


@pytest.fixture
async def site(oidc_provider: Path, tmp_path: Path) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        issuer = await _start_provider(stack, oidc_provider, url)
        accounts = create_accounts(_options(issuer, tmp_path))
        stack.push_async_callback(accounts.aclose)
        await accounts.start()
        await _serve(stack, _app(accounts), listener)
        yield Site(url, issuer, accounts)


async def _start_provider(stack: AsyncExitStack, script: Path, site: str) -> str:
    pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    provider = await asyncio.create_subprocess_exec("node", str(script), site, stdout=pipe, stderr=nowhere)
    assert provider.stdout is not None
    issuer = (await provider.stdout.readline()).decode().strip()

    async def stop() -> None:
        provider.kill()
        await provider.communicate()

    stack.push_async_callback(stop)
    assert issuer.startswith("http://127.0.0.1:"), issuer
    return issuer


def _options(issuer: str, folder: Path) -> AccountsOptions:
    provider = OpenIdProvider(
        name="op",
        title="Example",
        issuer=issuer,
        client_id="playground",
        client_secret="a secret between the two",
    )
    return AccountsOptions(
        database_url=f"sqlite:///{folder}/accounts.db", secret=_SECRET, providers=(provider,)
    )


def _app(accounts: Accounts) -> FastAPI:
    app = FastAPI(exception_handlers=dict.fromkeys(EXPECTED, _answer_error))
    app.state.settings = Settings()
    for router in accounts.routers:
        app.include_router(router)

    async def caller(request: Request) -> Principal:
        return await accounts.authenticator.authenticate(request)

    @app.get("/v1/models")
    async def models(caller: Annotated[Principal, Depends(caller)]) -> dict[str, str]:
        return {"id": caller.id}

    @app.get("/")
    async def front() -> HTMLResponse:
        return HTMLResponse("<!doctype html><title>Front</title><h1>Front page</h1>")

    return app


async def _answer_error(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    return JSONResponse(problem.envelope("req_test"), problem.status, dict(problem.headers))


async def _serve(stack: AsyncExitStack, app: FastAPI, listener: socket.socket) -> None:
    program = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    task = asyncio.create_task(program.serve([listener]))

    async def stop() -> None:
        program.should_exit = True
        await task

    stack.push_async_callback(stop)


async def _sign_in(browser: httpx.AsyncClient, site: Site, name: str) -> httpx.Response:
    """Type a name at the provider, consent, and come back."""
    page = await browser.get(f"{site.url}/signin/op", params={"next": "/device"})
    for prompt in ({"prompt": "login", "login": name, "password": "any"}, {"prompt": "consent"}):
        found = re.search(r'action="([^"]+)"', page.text)
        assert found is not None, page.text
        page = await browser.post(urljoin(str(page.url), found.group(1)), data=prompt)
    return page


@pytest.fixture
async def browser(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(follow_redirects=True) as browser:
        yield browser


async def test_a_person_signs_in_makes_a_key_and_signs_out(site: Site, browser: httpx.AsyncClient) -> None:
    page = await _sign_in(browser, site, "ada")
    assert str(page.url) == f"{site.url}/device"
    me = (await browser.get(f"{site.url}/account/me")).json()
    assert (me["user"]["name"], me["user"]["email"]) == ("Person ada", "ada@example.org")
    headers = {"x-csrf-token": me["csrf_token"]}
    made = await browser.post(f"{site.url}/account/keys", json={"name": "laptop"}, headers=headers)
    bearer = {"authorization": f"Bearer {made.json()['key']}"}
    assert (await browser.get(f"{site.url}/v1/models", headers=bearer)).json()["id"] == me["user"]["id"]
    await _sign_out(site, browser, headers)
    assert (await browser.get(f"{site.url}/account/me")).json()["user"] is None
    # The key is not the session: it goes on.
    assert (await browser.get(f"{site.url}/v1/models", headers=bearer)).status_code == 200


async def _sign_out(site: Site, browser: httpx.AsyncClient, headers: dict[str, str]) -> None:
    page = await browser.post(f"{site.url}/account/sign-out", headers=headers)
    assert str(page.url).startswith(f"{site.issuer}/session/end"), page.text
    action = re.search(r'action="([^"]+)"', page.text)
    secret = re.search(r'name="xsrf" value="([^"]+)"', page.text)
    assert action is not None
    assert secret is not None
    back = await browser.post(action.group(1), data={"xsrf": secret.group(1), "logout": "yes"})
    assert str(back.url) == f"{site.url}/"


async def test_the_same_person_is_the_same_user(site: Site) -> None:
    ids = []
    for name in ("ada", "ada", "eve"):
        async with httpx.AsyncClient(follow_redirects=True) as browser:
            await _sign_in(browser, site, name)
            ids.append((await browser.get(f"{site.url}/account/me")).json()["user"]["id"])
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.browser
async def test_a_person_signs_in_with_chromium(site: Site) -> None:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=_CHROMIUM)
        context = await chromium.new_context()
        page = await context.new_page()
        await _walk(page, site)
        cookies = {cookie["name"]: cookie for cookie in await context.cookies(site.url)}
        session = cookies["nemotron_session"]
        assert (session["httpOnly"], session["sameSite"]) == (True, "Lax")
        assert "nemotron_session" not in await page.evaluate("document.cookie")
        await chromium.close()


async def _walk(page: Any, site: Site) -> None:
    """From the device page through the provider to a decision, as a person clicks it."""
    async with httpx.AsyncClient(base_url=site.url) as device:
        form = {"client_id": "nemotron-playground-cli", "scope": "models:read"}
        started = (await device.post("/oauth/device_authorization", data=form)).json()
        await page.goto(started["verification_uri_complete"])
        await page.get_by_role("link", name="Continue with Example").click()
        await page.locator("input[name=login]").fill("ada")
        await page.locator("input[name=password]").fill("any")
        await page.locator("button[type=submit]").click()
        await page.get_by_role("button", name="Continue").click()
        await page.get_by_text("Signed in as Person ada").wait_for()
        assert started["user_code"] in await page.locator("body").inner_text()
        await page.get_by_role("button", name="Approve").click()
        await page.get_by_role("heading", name="Device connected").wait_for()
        asked = {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": started["device_code"],
            "client_id": form["client_id"],
        }
        key = (await device.post("/oauth/token", data=asked)).json()["access_token"]
        answer = await device.get("/v1/models", headers={"authorization": f"Bearer {key}"})
        assert answer.status_code == 200
