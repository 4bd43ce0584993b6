"""How does a program get the scores of many answers from a server?"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

import httpx2

_SECONDS = 600.0
_BUSY = frozenset({429, 503})
_MOST_WAITS = 100
_PLACE = re.compile(r"answers\[(\d+)\]")

Sleep = Callable[[float], None]


class CannotScore(Exception):
    """Nothing can be scored; the message says why in one line."""


class ScoreClient:
    """Calls `/v1/scores`, waiting when the server says so. An answer that is refused gets an `error`."""

    def __init__(self, url: str, key: str, model: str, *, sleep: Sleep = time.sleep) -> None:
        headers = {"authorization": f"Bearer {key}"}
        self._http = httpx2.Client(base_url=url.rstrip("/"), headers=headers, timeout=_SECONDS)
        self._model = model
        self._sleep = sleep

    def __enter__(self) -> "ScoreClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def score(self, conversations: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
        """What was found of each: `scores` and `reward`, or `error`. Raises CannotScore."""
        found: dict[int, dict[str, Any]] = {}
        while left := [place for place in range(len(conversations)) if place not in found]:
            answer = self._call([conversations[place] for place in left])
            if answer.status_code == 200:
                found |= {left[index]: line for index, line in self._lines(answer.text)}
            else:
                error = answer.json()["error"]
                found[left[_culprit(error)]] = {"error": error["message"]}
        return [found[place] for place in range(len(conversations))]

    def _call(self, conversations: Sequence[Sequence[Any]]) -> httpx2.Response:
        body = {"model": self._model, "answers": [{"messages": messages} for messages in conversations]}
        for _ in range(_MOST_WAITS):
            answer = self._http.post("/scores", json=body)
            if answer.status_code not in _BUSY:
                return answer
            self._sleep(float(answer.headers.get("retry-after", 1)))
        raise CannotScore(f"the server is too busy: {_message(answer)}")

    def _lines(self, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """What was found, also before the server broke off. Raises CannotScore unless it lacked room."""
        for line in map(json.loads, text.splitlines()):
            if "error" not in line:
                yield _scored(line)
            elif line["status"] in _BUSY:
                self._sleep(1.0)
            else:
                raise CannotScore(f"the server broke off: {line['error']['message']}")


def _scored(line: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """The place of an answer, and what was found of it."""
    return line["index"], {"scores": line["scores"], "reward": line["reward"]}


def _culprit(error: dict[str, Any]) -> int:
    """Which answer a refusal is about. Raises CannotScore where it is about all."""
    place = _PLACE.match(error.get("param") or "")
    if place is None:
        raise CannotScore(error["message"])
    return int(place[1])


def _message(answer: httpx2.Response) -> str:
    return str(answer.json()["error"]["message"])
