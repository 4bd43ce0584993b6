"""What does `nemotron-playground score` do?

Answers stand in a file of JSON Lines. The same lines come into another file with their scores, in the same
order, so that a run that was broken off goes on where it stopped.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2
from tqdm import tqdm

from nemotron_app.score_client import CannotScore, ScoreClient
from nemotron_app.score_flags import KEY, MOST

Row = dict[str, Any]


def run(given: argparse.Namespace) -> int:
    """Score what is not scored yet."""
    try:
        _run(given)
    except (CannotScore, OSError, httpx2.HTTPError) as error:
        print(f"nemotron-playground: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("nemotron-playground: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _run(given: argparse.Namespace) -> None:
    if not 1 <= given.batch <= MOST:
        raise CannotScore(f"batch: from 1 to {MOST}, not {given.batch}")
    num_rows = sum(1 for _ in _rows(given.file))
    num_done = _take_up(given.out, given.file)
    rows = islice(_rows(given.file), num_done, None)
    key = given.key or os.environ.get(KEY, "none")
    with (
        ScoreClient(given.server, key, given.model) as client,
        given.out.open("a", encoding="utf-8") as out,
        tqdm(total=num_rows, initial=num_done, unit=" answers", disable=None) as bar,
    ):
        while batch := list(islice(rows, given.batch)):
            for row, found in zip(batch, client.score([_messages(row) for row in batch]), strict=True):
                out.write(json.dumps({**row, **found}, ensure_ascii=False) + "\n")
            out.flush()
            bar.update(len(batch))


def _rows(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _row(line, f"{file}, line {number}")


def _row(line: str, place: str) -> Row:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise CannotScore(f"{place}: not JSON ({error})") from error
    if not isinstance(row, dict) or not _messages(row):
        raise CannotScore(f"{place}: neither `messages` nor `prompt` and `response`")
    return row


def _messages(row: Mapping[str, Any]) -> Sequence[Any]:
    """The conversation of a line, empty where it has none; `prompt` and `response` as HelpSteer2 has them."""
    messages = row.get("messages")
    if isinstance(messages, list):
        return list(messages)
    prompt, response = row.get("prompt"), row.get("response")
    if isinstance(prompt, str) and isinstance(response, str):
        return [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
    return []


def _take_up(out: Path, file: Path) -> int:
    """How many lines are done; one that was broken off is taken away. Raises CannotScore."""
    if not out.exists():
        return 0
    content = out.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        os.truncate(out, len(whole))
    done = whole.splitlines()
    if done:
        last = next(islice(_rows(file), len(done) - 1, None), None)
        if last is None or _messages(_row(done[-1].decode(), str(out))) != _messages(last):
            raise CannotScore(f"out: {out} does not hold the first lines of {file}; name another file")
    return len(done)
