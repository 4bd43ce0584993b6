"""Do the official Node client and CompatCanary, from npm, find what is claimed?

CompatCanary also probes forced tool calls and JSON schemas. Neither is served by the model that echoes; the
gateway says so with a 400, and the scan is asserted to show exactly that.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "node"
SERVED = {"models.list", "chat.basic", "chat.streaming", "responses.basic", "responses.streaming"}


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The packages of the lock file, installed once."""
    installed = FOLDER / "node_modules"
    lock = FOLDER / "package-lock.json"
    stamp = installed / ".package-lock.json"
    if not stamp.exists() or stamp.stat().st_mtime < lock.stat().st_mtime:
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(command, cwd=FOLDER, check=True, capture_output=True)
    return installed


@pytest.fixture(scope="session")
def seen(node_modules: Path, echo_url: str) -> dict[str, Any]:
    """What the client printed."""
    command = ["node", str(FOLDER / "openai.mjs"), echo_url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_a_whole_answer_is_read(seen: dict[str, Any]) -> None:
    assert "echo" in seen["models"]
    assert seen["text"] == ["hello", "hello"]
    assert seen["model"] == "echo:full:bf16:autoregressive"
    assert seen["logprobs"] == list("hello")
    assert seen["requestId"].startswith("req_")


def test_a_stream_is_read_with_its_usage(seen: dict[str, Any]) -> None:
    assert seen["streamed"]["text"] == "hello"
    assert seen["streamed"]["finish"] == "stop"
    assert seen["streamed"]["usage"]["total_tokens"] == 10


def test_a_response_is_read_whole_and_streamed(seen: dict[str, Any]) -> None:
    assert seen["response"]["text"] == "hello"
    assert seen["response"]["usage"]["total_tokens"] == 10
    assert seen["responded"]["text"] == "hello"
    assert seen["responded"]["types"][0] == "response.created"
    assert seen["responded"]["types"][-1] == "response.completed"
    assert seen["responded"]["final"]["output"][0]["content"][0]["text"] == "hello"


def test_errors_are_typed(seen: dict[str, Any]) -> None:
    assert seen["badRequest"]["isBadRequest"]
    assert seen["badRequest"]["param"] == "temperature"
    assert seen["badRequest"]["requestId"].startswith("req_")
    assert seen["notFound"]["isNotFound"]
    assert seen["notFound"]["code"] == "model_not_found"


def test_compat_canary_finds_what_is_served_and_nothing_else(node_modules: Path, echo_url: str) -> None:
    scan = ["scan", "--base-url", echo_url, "--model", "echo", "--api-key", "none", "--profile", "modern"]
    command = ["node", str(node_modules / "compatcanary/src/cli.js"), *scan, "--format", "json"]
    done = subprocess.run(
        [*command, "--fail-on", "never"], capture_output=True, text=True, check=True, timeout=60
    )
    results = json.loads(done.stdout)["results"]
    assert {result["id"] for result in results if result["status"] == "pass"} == SERVED
    assert all("HTTP 40" in result["summary"] for result in results if result["id"] not in SERVED)
