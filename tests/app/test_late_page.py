"""Does the API answer while the page is still being built?"""

import threading
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from nemotron_app.late_page import LatePage
from nemotron_backend.echo import EchoEngine


async def test_a_notice_stands_in_until_the_page_is_built(serve: Any) -> None:
    go_on = threading.Event()

    def build() -> FastAPI:
        go_on.wait()
        page = FastAPI()
        page.get("/")(lambda: "the page")
        return page

    api: httpx.AsyncClient = await serve(EchoEngine(), late_page=LatePage(build))
    try:
        notice = await api.get("/")
        assert notice.status_code == 503
        assert notice.headers["retry-after"] == "1"
        assert "http-equiv" in notice.text
        assert (await api.get("/v1/health/ready")).status_code == 200
    finally:
        go_on.set()
    while (answer := await api.get("/")).status_code == 503:
        pass
    assert answer.json() == "the page"
    assert (await api.get("/v1/nowhere")).json()["error"]["code"] == "not_found"


async def test_a_page_that_cannot_be_built_is_told_in_the_log(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def build() -> FastAPI:
        raise RuntimeError("no theme")

    api: httpx.AsyncClient = await serve(EchoEngine(), late_page=LatePage(build))
    while "the page cannot be shown" not in caplog.text:
        assert (await api.get("/")).status_code == 503
    assert (await api.get("/v1/models")).status_code == 200
