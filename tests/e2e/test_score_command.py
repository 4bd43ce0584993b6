"""Does `nemotron-playground score` score a file, and go on where it stopped?"""

import json
from pathlib import Path
from typing import Any

import pytest

from nemotron_app.__main__ import main
from nemotron_backend.rewards import ATTRIBUTES

MODEL = "echo-reward"


def _rows(number: int) -> list[dict[str, Any]]:
    """Lines of both kinds that are taken, with fields of their own."""
    rows: list[dict[str, Any]] = []
    for place in range(number):
        question, answer = f"Question {place}?", f"It is {'very ' * place}true."
        if place % 2:
            rows.append({"prompt": question, "response": answer, "source": "é"})
            continue
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        rows.append({"id": place, "messages": messages})
    return rows


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in _rows(7)), "utf-8")
    return file


def _score(answers: Path, out: Path, url: str, *more: str) -> int:
    return main(
        ["score", str(answers), "--out", str(out), "--server", url, "--model", MODEL, "--batch", "3", *more]
    )


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def test_every_line_comes_back_in_order_with_its_scores(answers: Path, tmp_path: Path, echo_url: str) -> None:
    out = tmp_path / "scored.jsonl"
    assert _score(answers, out, echo_url) == 0
    lines = _lines(out)
    assert [{key: line[key] for key in row} for row, line in zip(_rows(7), lines, strict=True)] == _rows(7)
    assert all(tuple(line["scores"]) == ATTRIBUTES for line in lines)
    rewards = [line["reward"] for line in lines]
    assert rewards != sorted(rewards, reverse=True)


@pytest.mark.parametrize("left", [b"", b'{"id": 4, "mess'], ids=["between lines", "inside a line"])
def test_a_run_that_was_broken_off_goes_on(answers: Path, tmp_path: Path, echo_url: str, left: bytes) -> None:
    whole, out = tmp_path / "whole.jsonl", tmp_path / "scored.jsonl"
    _score(answers, whole, echo_url)
    done = b"".join(whole.read_bytes().splitlines(keepends=True)[:4])
    out.write_bytes(done + left)
    assert _score(answers, out, echo_url) == 0
    assert out.read_bytes() == whole.read_bytes()


def test_an_answer_that_is_refused_is_told_and_the_others_are_scored(tmp_path: Path, echo_url: str) -> None:
    rows = [*_rows(2), {"prompt": "How long?", "response": "x" * 5000}, *_rows(1)]
    answers, out = tmp_path / "answers.jsonl", tmp_path / "scored.jsonl"
    answers.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    assert _score(answers, out, echo_url, "--batch", "4") == 0
    lines = _lines(out)
    assert ["error" in line for line in lines] == [False, False, True, False]
    assert "4096" in lines[2]["error"]


def test_scores_of_another_file_are_not_mixed_in(
    answers: Path, tmp_path: Path, echo_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scored.jsonl"
    out.write_text(json.dumps({"prompt": "Another?", "response": "Yes."}) + "\n", "utf-8")
    before = out.read_bytes()
    assert _score(answers, out, echo_url) == 1
    assert "does not hold the first lines" in capsys.readouterr().err
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "reason"),
    [("{", "line 1: not JSON"), ('{"prompt": "Why?"}', "line 1: neither"), (None, "No such file")],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, echo_url: str, capsys: pytest.CaptureFixture[str], content: str | None, reason: str
) -> None:
    answers = tmp_path / "answers.jsonl"
    if content is not None:
        answers.write_text(content, "utf-8")
    assert _score(answers, tmp_path / "out.jsonl", echo_url) == 1
    assert reason in capsys.readouterr().err


def test_a_model_that_scores_nothing_is_refused(
    answers: Path, tmp_path: Path, echo_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _score(answers, tmp_path / "out.jsonl", echo_url, "--model", "echo") == 1
    assert "echo is no reward model" in capsys.readouterr().err
