"""Do keys work as the official client expects, from the command that makes them to the one that ends them?"""

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

Launch = Callable[..., tuple["subprocess.Popen[str]", str]]
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
PROVIDERS = json.dumps(
    [
        {
            "kind": "openid",
            "name": "op",
            "title": "Provider",
            "issuer": "https://op.example",
            "client_id": "us",
            "client_secret": "ours",
        }
    ]
)


def command(*arguments: str) -> "subprocess.Popen[str]":
    roots = ":".join(path for path in sys.path if path.endswith(("app", "backend", "kernels")))
    return subprocess.Popen(
        [sys.executable, "-m", "nemotron_app", *arguments],
        env={"PYTHONPATH": roots},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@dataclass(frozen=True)
class Site:
    """A server where people would sign in, and the credentials of a program that needs no person."""

    url: str
    folder: Path
    service: tuple[str, str]

    def key(self, scope: str = "") -> str:
        form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
        answer = httpx.post(f"{self.url}/oauth/token", data=form, auth=self.service)
        key: str = answer.json()["access_token"]
        return key

    def revoke(self, key: str) -> None:
        httpx.post(f"{self.url}/oauth/revoke", data={"token": key}, auth=self.service).raise_for_status()

    def client(self, key: str, **options: Any) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key=key, **{"max_retries": 0} | options)


MakeSite = Callable[..., Site]


@pytest.fixture
def make_site(launch_playground: Launch, tmp_path: Path) -> Iterator[MakeSite]:
    started = []

    def make(*flags: str, log: Path | None = None) -> Site:
        folder = ("--data-dir", str(tmp_path))
        told, errors = command("service", "add", "batch", *folder).communicate(timeout=60)
        found = re.fullmatch(r"client_id=(\S+)\nclient_secret=(\S+)\n", told)
        assert found is not None, errors
        common = ("--engine", "echo", "--page", "false", "--providers", PROVIDERS)
        process, url = launch_playground(*common, *folder, *flags, log=log)
        started.append(process)
        return Site(url, tmp_path, (found.group(1), found.group(2)))

    yield make
    for process in started:
        process.kill()


def test_a_service_gets_a_key_that_opens_the_api_until_it_is_revoked(make_site: MakeSite) -> None:
    site = make_site()
    key = site.key()
    with site.client(key) as client:
        answer = client.chat.completions.create(model="echo", messages=HELLO)
        assert answer.choices[0].message.content == "hello"
        report = client.get("/usage", cast_to=dict[str, Any])
        assert report["today"]["completion_tokens"] == 5
        site.revoke(key)
        with pytest.raises(openai.AuthenticationError) as caught:
            client.models.list()
    assert (caught.value.status_code, caught.value.code) == (401, "invalid_api_key")


def test_nobody_comes_in_without_a_key(make_site: MakeSite) -> None:
    site = make_site()
    for key in ("none", "npg_nothing", "npg_" + "0" * 36):
        with site.client(key) as client, pytest.raises(openai.AuthenticationError):
            client.models.list()
    assert httpx.get(f"{site.url}/v1/models").status_code == 401
    assert httpx.get(f"{site.url}/v1/health/ready").status_code == 200


def test_a_key_opens_what_it_was_made_for_alone(make_site: MakeSite) -> None:
    site = make_site()
    with site.client(site.key("models:read")) as client:
        assert client.models.retrieve("echo").id == "echo"
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.chat.completions.create(model="echo", messages=HELLO)
    assert (caught.value.status_code, caught.value.code) == (403, "insufficient_scope")


def test_the_client_waits_as_it_is_told_and_then_succeeds(make_site: MakeSite) -> None:
    tiers = '{"free": {"burst": 1, "requests_per_minute": 120}}'
    site = make_site("--tiers", tiers, "--limit-patience-seconds", "0")
    statuses: list[int] = []
    hooks = {"response": [lambda response: statuses.append(response.status_code)]}
    key = site.key()
    with (
        openai.DefaultHttpxClient(event_hooks=hooks) as http,
        site.client(key, max_retries=4, http_client=http) as client,
    ):
        for _ in range(2):
            client.chat.completions.create(model="echo", messages=HELLO)
    assert statuses[0] == statuses[-1] == 200
    assert statuses.count(429) >= 1


def test_the_client_is_told_what_is_used_up(make_site: MakeSite) -> None:
    site = make_site("--tiers", '{"free": {"burst": 1, "requests_per_minute": 1, "tokens_per_day": 7}}')
    with site.client(site.key()) as client:
        client.chat.completions.create(model="echo", messages=HELLO, max_tokens=100)
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model="echo", messages=HELLO, max_tokens=100)
    assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "requests")
    assert "1 request a minute" in caught.value.message


def test_the_client_does_not_retry_for_tomorrows_quota(make_site: MakeSite) -> None:
    site = make_site("--tiers", '{"free": {"tokens_per_day": 1}}')
    statuses: list[int] = []
    hooks = {"response": [lambda response: statuses.append(response.status_code)]}
    key = site.key()
    with (
        openai.DefaultHttpxClient(event_hooks=hooks) as http,
        site.client(key, max_retries=4, http_client=http) as client,
    ):
        client.chat.completions.create(model="echo", messages=HELLO, max_tokens=90)
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model="echo", messages=HELLO, max_tokens=90)
    assert caught.value.code == "insufficient_quota"
    assert statuses == [200, 429]


def test_a_stream_that_runs_outlives_its_key_and_the_next_request_does_not(make_site: MakeSite) -> None:
    site = make_site("--echo-delay", "0.05")
    key = site.key()
    with site.client(key) as client:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "a slow answer"}]
        stream = client.chat.completions.create(model="echo", messages=messages, stream=True)
        pieces = iter(stream)
        next(pieces)
        site.revoke(key)
        with pytest.raises(openai.AuthenticationError):
            client.models.list()
        text = "".join(chunk.choices[0].delta.content or "" for chunk in pieces if chunk.choices)
    assert text == "a slow answer"


def test_login_hands_over_a_key_once_a_browser_agrees(launch_playground: Launch) -> None:
    _, url = launch_playground("--engine", "echo", "--page", "false")
    login = command("login", url, "--scope", "models:read chat")
    assert login.stderr is not None
    address = login.stderr.readline().removeprefix("Open ").strip()
    code = re.search(r"code (\S+) ", login.stderr.readline())
    assert code is not None
    with httpx.Client() as browser:
        page = browser.get(address)
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        assert token is not None
        assert code.group(1) in page.text
        form = {"csrf_token": token.group(1), "user_code": code.group(1), "decision": "approve"}
        browser.post(f"{url}/device", data=form, headers={"origin": url}).raise_for_status()
    key, _ = login.communicate(timeout=60)
    assert login.returncode == 0
    with OpenAI(base_url=f"{url}/v1", api_key=key.strip(), max_retries=0) as client:
        assert client.chat.completions.create(model="echo", messages=HELLO).choices
        with pytest.raises(openai.PermissionDeniedError):
            client.get("/usage", cast_to=dict[str, Any])


def test_keys_and_prompts_are_in_no_log_error_metric_or_column(make_site: MakeSite, tmp_path: Path) -> None:
    log, canary = tmp_path / "log", "canary-prompt-7b1f"
    site = make_site(log=log)
    key = site.key()
    headers = {"authorization": f"Bearer {key}"}
    body = {"model": "echo", "messages": [{"role": "user", "content": canary}]}
    chat = f"{site.url}/v1/chat/completions"
    answers = [
        httpx.get(f"{site.url}/v1/models", params={"api_key": key}, headers=headers),
        httpx.get(f"{site.url}/{key}", headers=headers),
        httpx.get(f"{site.url}/v1/models/{key}", headers=headers | {"x-request-id": "mine"}),
        httpx.post(chat, json=body | {"temperature": canary}, headers=headers),
        httpx.post(chat, json=body | {"max_tokens": 10**6}, headers=headers),
        httpx.post(chat, content=json.dumps(body)[:-1], headers=headers),
        httpx.get(f"{site.url}/v1/usage", headers=headers),
        httpx.get(f"{site.url}/metrics"),
    ]
    assert httpx.post(chat, json=body, headers=headers).status_code == 200
    site.revoke(key)
    answers.append(httpx.post(chat, json=body, headers=headers))
    secret = key[12:-6]
    told = [answer.text + str(answer.headers) for answer in answers] + [log.read_text()]
    with closing(sqlite3.connect(site.folder / "accounts.db")) as database:
        told += list(database.iterdump())
    assert len(told) > 20
    assert [text for text in told if secret in text or canary in text] == []
