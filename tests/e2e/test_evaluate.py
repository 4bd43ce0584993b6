"""Does `evaluate` measure an engine of its own and a running server, and refuse in one line?"""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from nemotron_app.__main__ import main

SHORT = ("--examples", "9", "--timed", "2", "--max-tokens", "2000")


def refusal(capsys: pytest.CaptureFixture[str], arguments: Sequence[str]) -> str:
    assert main(["evaluate", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("nemotron-playground: ")
    assert err.count("\n") == 1
    return err


def test_an_engine_of_its_own_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["evaluate", "echo", "--engine", "echo", *SHORT, "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert told == (out / "table.md").read_text()
    report = json.loads((out / "report.json").read_text())
    assert report["command"].startswith("nemotron-playground evaluate echo --engine echo --examples 9")
    assert report["versions"]["engine"] == "echo"
    assert report["plan"]["examples"] == 9
    (point,) = report["points"]
    assert point["exact"]["of"] == 9
    assert point["mean_tokens"] > 10


def test_a_running_server_is_measured_alike(
    echo_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["evaluate", "echo", "--server", echo_url, "--key", "very-secret", *SHORT, "--out", str(out)]
    assert main(arguments) == 0
    assert "very-secret" not in (out / "report.json").read_text()
    report = json.loads((out / "report.json").read_text())
    assert (report["server"], report["machine"]) == (echo_url, None)
    capsys.readouterr()
    assert main(["evaluate", "echo", "--engine", "echo", *SHORT]) == 0
    (point,) = report["points"]
    assert f"| {point['mean_tokens']:.0f} | {point['tokens_per_forward']:.2f} |" in capsys.readouterr().out


def test_pairs_of_sizes_and_budgets_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["echo-thinker", "--engine", "echo", "--pairs", "--budgets", "none,4,off", *SHORT]
    assert main(["evaluate", *arguments]) == 0
    told = capsys.readouterr().out
    assert "| large+small budget 4 |" in told
    assert "| small without thinking |" in told
    assert "large+small without thinking" not in told


def test_the_embedded_engine_is_measured_in_a_process_of_its_own(
    tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--checkpoint", str(tiny_checkpoint), "--examples", "2", "--timed", "1", "--tasks", "words"]
    assert main(["evaluate", *arguments, "--precisions", "bf16", "--max-tokens", "8"]) == 0
    assert "| words |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--tasks", "poems"), "there is no 'poems'; there are arithmetic"),
        (("--examples", "0"), "at least one question"),
        (("other", "--engine", "echo"), "served are echo:full:bf16:autoregressive"),
        (("--engine", "steam"), "engine: "),
        (("--server", "http://127.0.0.1:9/v1"), "the server does not say what it serves"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_measured_is_told_in_a_line(
    arguments: Sequence[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert problem in refusal(capsys, arguments)


def test_a_report_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "report.json").write_text("kept")
    told = refusal(capsys, ["echo", "--engine", "echo", "--out", str(tmp_path)])
    assert "is not an empty folder" in told
    assert (tmp_path / "report.json").read_text() == "kept"


@pytest.mark.parametrize(
    ("flag", "value", "problem"),
    [
        ("--block-lengths", "8,7", "7 is neither 0 nor a power of two from 2 to 64"),
        ("--thresholds", "1.5", "1.5 is outside 0 to 1"),
        ("--decodes", "sideways", "'sideways' is none of autoregressive, diffusion, self-speculation"),
        ("--budgets", "-3", "-3 is less than nothing"),
    ],
)
def test_a_bad_choice_is_named(
    flag: str, value: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", f"{flag}={value}"])
    assert caught.value.code == 2
    assert problem in capsys.readouterr().err


def test_reward_models_are_asked_nothing(echo_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for source in (("--engine", "echo"), ("--server", echo_url)):
        told = refusal(capsys, ["echo-reward", *source])
        assert "nothing that was asked for is served" in told
        assert "echo-reward" not in told
