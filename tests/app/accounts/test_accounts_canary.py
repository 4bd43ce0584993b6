"""Does a key stay where it belongs?"""

import logging
from typing import Any

import pytest
from sqlalchemy import text

from nemotron_app.accounts.redaction import RedactKeys
from nemotron_app.accounts.store.schema import Table


@pytest.fixture
async def site(make_site: Any, provider: Any, database_url: str) -> Any:
    return await make_site(providers=(provider,), database_url=database_url)


async def test_a_key_is_in_no_log_answer_or_column(site: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    browser = await site.browser("Ada")
    made = (await browser.post("/account/keys", json={"name": "canary"})).json()
    key = made["key"]
    program = await site.client(headers={"authorization": f"Bearer {key}"})
    service = await site.accounts.add_service("worker", may_introspect=True)
    answers = [
        await program.get("/v1/models"),
        await program.get("/v1/models", params={"model": "x", "api_key": key}),
        await program.get("/account/keys"),
        await browser.get("/account/keys"),
        await browser.get("/account/usage"),
        await browser.get("/account/usage.csv"),
        await browser.post("/oauth/introspect", data={"token": key}, auth=service),
        await browser.post("/oauth/revoke", data={"token": key, "client_id": "nemotron-playground-cli"}),
        await browser.get("/device", params={"user_code": key}),
        await browser.delete(f"/account/keys/{made['id']}"),
        await program.get("/v1/models"),
    ]
    # What would be enough to find the rest by trying counts as the key.
    secret = key[12:-6]
    for answer in answers:
        assert secret not in answer.text + str(answer.headers), answer.request.url
    ours = [record for record in caplog.records if record.name != "httpx"]
    assert not [record for record in ours if secret in record.getMessage()]
    async with site.accounts.database.reading() as session:
        for name in Table.metadata.tables:
            rows = (await session.execute(text(f"SELECT * FROM {name}"))).all()
            assert secret not in str(rows), name
            assert service[1] not in str(rows), name
            assert browser.cookies["nemotron_session"] not in str(rows), name


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("GET /v1/models?api_key={key}", ()),
        ('%s - "%s %s HTTP/%s" %d', ("127.0.0.1", "GET", "/v1/models?key={key}", "1.1", 400)),
        ("%(key)s", ({"key": "{key}"},)),
    ],
)
async def test_the_filter_cuts_a_key_from_any_record(
    site: Any, message: str, arguments: tuple[Any, ...]
) -> None:
    key = await site.new_key(await site.browser("Ada"))

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(part) for name, part in value.items()}
        return value.replace("{key}", key) if isinstance(value, str) else value

    record = logging.LogRecord(
        "any", logging.INFO, "", 0, filled(message), tuple(map(filled, arguments)), None
    )
    assert key in record.getMessage()
    assert RedactKeys().filter(record)
    assert key[8:] not in record.getMessage()
    assert "[redacted]" in record.getMessage()
