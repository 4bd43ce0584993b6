"""Which calls does an answer make that writes them as JSON?

An object has the name of a function and its arguments. Nemotron Mini writes it between <toolcall> tags, other
models a list of them; Llama 3.1 writes nothing but the object. What looks like a call and is none stays text.
"""

import json
import re
import secrets
from collections.abc import Iterator
from typing import Any, NoReturn

from nemotron_app.wire.tool_calls import Heard

_OPEN, _CLOSE = re.compile("<toolcall>", re.IGNORECASE), re.compile("</toolcall>", re.IGNORECASE)
_TAG = "<toolcall>"
_PYTHON = "<|python_tag|>"
_GAP = re.compile(r"[\s,;]*")
_BLANK = " \n"


class TaggedCallReader:
    """Reads one answer piece by piece. `is_single` takes its first call alone."""

    def __init__(self, *, is_single: bool) -> None:
        self._is_single = is_single
        self._held = ""
        self._follows_call = False
        self.num_calls = 0

    def push(self, text: str) -> Heard:
        """Take more of the answer."""
        self._held += text
        heard = Heard()
        while self._advance(heard):
            pass
        return heard

    def finish(self, *, is_whole: bool) -> Heard:
        """What was held back; a call without its end is one where the model meant to be done."""
        heard = Heard()
        opening = _OPEN.search(self._held)
        if (
            opening is None
            or not is_whole
            or not self._take(heard, opening, len(self._held), len(self._held))
        ):
            rest = "" if self._is_done else self._held
            self._tell(heard, rest.rstrip(_BLANK) if self.num_calls else rest)
        self._held = ""
        return heard

    @property
    def _is_done(self) -> bool:
        return self._is_single and self.num_calls > 0

    def _advance(self, heard: Heard) -> bool:
        """One step on; False when more text is needed."""
        if self._is_done:
            self._held = ""
            return False
        opening = _OPEN.search(self._held)
        if opening is None:
            self._release(heard, len(self._held) - _num_undecided(self._held))
            return False
        closing = _CLOSE.search(self._held, opening.end())
        if closing is None:
            self._release(heard, len(self._held[: opening.start()].rstrip(_BLANK)))
            return False
        if not self._take(heard, opening, closing.start(), closing.end()):
            self._release(heard, closing.end())
        return True

    def _take(self, heard: Heard, opening: "re.Match[str]", end: int, behind: int) -> bool:
        """Tell the calls between a tag's end and `end`, if there are any, and what stands before them."""
        calls = calls_in(self._held[opening.end() : end])
        if not calls:
            return False
        self._tell(heard, self._held[: opening.start()].rstrip(_BLANK))
        for name, arguments in calls[:1] if self._is_single else calls:
            add_call(heard, self.num_calls, name, arguments)
            self.num_calls += 1
        self._held, self._follows_call = self._held[behind:], True
        return True

    def _release(self, heard: Heard, length: int) -> None:
        self._tell(heard, self._held[:length])
        self._held = self._held[length:]

    def _tell(self, heard: Heard, text: str) -> None:
        """Text without the blanks that part it from a call before."""
        text = text.lstrip(_BLANK) if self._follows_call else text
        self._follows_call = self._follows_call and not text
        heard.text += text


class BareCallReader:
    """The same for an answer that is either text or calls; what may be calls is held back to its end."""

    def __init__(self, *, is_single: bool) -> None:
        self._is_single = is_single
        self._held = ""
        self._is_text = False
        self.num_calls = 0

    def push(self, text: str) -> Heard:
        """Take more of the answer."""
        self._held += text
        begun = self._held.lstrip()
        self._is_text = self._is_text or not (begun.startswith(("{", _PYTHON)) or _PYTHON.startswith(begun))
        return self._give() if self._is_text else Heard()

    def finish(self, *, is_whole: bool) -> Heard:
        """What was held back: calls, where the model meant to be done and wrote nothing else."""
        calls = calls_in(self._held.lstrip().removeprefix(_PYTHON)) if is_whole and not self._is_text else []
        if not calls:
            return self._give()
        heard = Heard()
        for name, arguments in calls[:1] if self._is_single else calls:
            add_call(heard, self.num_calls, name, arguments)
            self.num_calls += 1
        return heard

    def _give(self) -> Heard:
        text, self._held = self._held, ""
        return Heard(text=text)


def add_call(heard: Heard, index: int, name: str, arguments: str) -> None:
    """A whole call, as news."""
    heard.calls.append(
        {
            "index": index,
            "id": f"call_{secrets.token_hex(12)}",
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
    )


def calls_in(text: str) -> list[tuple[str, str]]:
    """Name and arguments of the calls that a text consists of; none where it holds anything else."""
    try:
        return [_call(value) for value in _values(text)]
    except (ValueError, RecursionError):
        return []


def _values(text: str) -> Iterator[Any]:
    """JSON values one behind another, and those of lists one by one."""
    decoder, place = json.JSONDecoder(parse_constant=_refuse), _past_gap(text, 0)
    while place < len(text):
        value, place = decoder.raw_decode(text, place)
        yield from value if isinstance(value, list) else (value,)
        place = _past_gap(text, place)


def _past_gap(text: str, place: int) -> int:
    gap = _GAP.match(text, place)
    return gap.end() if gap else place


def _call(value: Any) -> tuple[str, str]:
    """Raises ValueError for what is no call."""
    function = value.get("function", value) if isinstance(value, dict) else None
    if not isinstance(function, dict):
        raise ValueError("a call is an object")
    arguments = function.get("arguments", function.get("parameters", {}))
    if isinstance(arguments, str):
        arguments = json.loads(arguments, parse_constant=_refuse)
    name = function.get("name")
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        raise ValueError("a call has a name, and an object of arguments")
    return name, json.dumps(arguments, ensure_ascii=False)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _num_undecided(text: str) -> int:
    """Characters at the end that may belong to a call: blanks, and the beginning of its tag."""
    lowered = text.lower()
    overlap = next((n for n in range(len(_TAG) - 1, 0, -1) if lowered.endswith(_TAG[:n])), 0)
    rest = text[: len(text) - overlap]
    return overlap + len(rest) - len(rest.rstrip(_BLANK))
