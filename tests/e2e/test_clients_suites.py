"""Do other people's checks of an OpenAI-compatible server pass?

trustedrouter-provider-check runs its conformance tiers 1 to 4 (catalog, callability, chat, streaming).
Three of its checks only warn, on purpose: models that need a GPU are listed though they are not served
here, the answer's `model` is the complete variant, and `reasoning_effort` is refused by a model that does
not think. Its tier 5 asks for tools, which that model was not taught, and for structured output, which is not
served yet.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

WARNED = {"callability.advertised-models", "chat.model", "chat.forwarded-fields"}


def test_trusted_router_passes_the_server(echo_url: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    program = Path(sys.executable).parent / "trustedrouter-provider-check"
    command = [str(program), "--base-url", echo_url, "--model", "echo", "--tier", "4", "--json", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    checks = {check["id"]: check["status"] for check in json.loads(report.read_text())["checks"]}
    assert {name for name, status in checks.items() if status == "warn"} == WARNED
    assert {name for name, status in checks.items() if status == "skip"} == {"catalog.declared-v2"}
    assert list(checks.values()).count("pass") == 14


@pytest.mark.parametrize("capability", ["chat", "completions"])
def test_nvidias_doctor_finds_the_server_well(echo_url: str, capability: str) -> None:
    doctor = [sys.executable, "-m", "langchain_nvidia_ai_endpoints", "doctor", "--base-url", echo_url]
    model = {"chat": "echo", "completions": "nemotron-labs-diffusion-3b-base"}[capability]
    command = [*doctor, "--model", model, "--capability", capability]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert "OK Requested model appears in /models." in done.stdout
    assert f"indicates {capability} capability" in done.stdout
    assert "RESULT preflight passed" in done.stdout
