"""Do the documents speak only of what exists?"""

import re
from pathlib import Path

import pytest

from nemotron_app.__main__ import main
from nemotron_app.limits import TIERS
from nemotron_app.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "kernels/README.md")
PATH = re.compile(r"`((?:app|backend|kernels|tests|static)/[\w./-]*)`")
FLAG = re.compile(r"--([a-z][a-z-]*)")
LINK = re.compile(r"\]\((?!https?:)([^)]+)\)")


def _text(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_and_link_leads_somewhere(document: str) -> None:
    named = {*PATH.findall(_text(document)), *LINK.findall(_text(document))}
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "kernels/README.md"])
def test_every_make_command_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", _text("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", _text(document), re.MULTILINE))
    assert named
    assert named <= targets


def test_every_flag_in_the_readme_exists(capsys: pytest.CaptureFixture[str]) -> None:
    text = _text("README.md")
    known = {"header", "data", "help", "config"}
    for command in ("evaluate", "extract", "quantize"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        known |= set(FLAG.findall(capsys.readouterr().out))
    flags = set(FLAG.findall(text)) - known
    # A client's key is no setting of the server.
    variables = set(re.findall(rf"{PREFIX}([A-Z_]+)", text)) - {"API_KEY"}
    assert "port" in flags
    assert {flag.replace("-", "_") for flag in flags} <= set(Settings.model_fields)
    assert {variable.lower() for variable in variables} <= set(Settings.model_fields)


def test_the_readme_names_every_route() -> None:
    routes = Path(ROOT / "app/nemotron_app/routes")
    served = {
        path
        for module in routes.glob("*.py")
        for path in re.findall(r'@router\.(?:get|post)\(\s*"(/[^"{]*)', module.read_text("utf-8"))
    }
    assert "/v1/chat/completions" in served
    assert [path for path in sorted(served) if path.rstrip("/") not in _text("README.md")] == []


def test_the_readme_tells_the_limits_of_every_tier() -> None:
    for tier in TIERS.values():
        numbers = (
            tier.requests_per_minute,
            tier.burst,
            tier.tokens_per_minute,
            tier.tokens_per_day,
            tier.in_flight,
        )
        row = " | ".join((tier.name, *("10⁹" if number == 10**9 else f"{number:,}" for number in numbers)))
        assert f"| {row} |" in _text("README.md")
