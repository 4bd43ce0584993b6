"""Which calls of tools does a model's answer make?

Nemotron writes them as tags (the form that servers call qwen3_coder), OpenAI's API gives them as JSON. What
looks like a call and is none stays text.
"""

import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nemotron_app.wire.answer import FunctionCall, ToolCallAnswer, ToolCallDelta
from nemotron_app.wire.chat import ChatBody, ToolSpec
from nemotron_app.wire.tool_values import json_of
from nemotron_backend.request import CallPiece

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_FUNCTION = re.compile(r"\s*<function=([^>\s]+)>")
_PARAMETER = re.compile(r"\s*<parameter=([^>\s]+)>\n?(.*?)\n?</parameter>", re.DOTALL)
_FUNCTION_END = re.compile(r"\s*</function>(?:\s*</tool_call>)?")


@dataclass(slots=True)
class Heard:
    """What is certain of an answer by now: text, and news of calls."""

    text: str = ""
    calls: list[ToolCallDelta] = field(default_factory=list[ToolCallDelta])

    def __add__(self, more: "Heard") -> "Heard":
        return Heard(self.text + more.text, self.calls + more.calls)


class ToolCallReader:
    """Reads one answer piece by piece. `is_single` takes its first call alone."""

    def __init__(self, tools: Sequence[ToolSpec], *, is_single: bool) -> None:
        self._schemas = {tool.function.name: _properties(tool) for tool in tools}
        self._is_single = is_single
        self._held = ""
        self._parameters: Mapping[str, Any] | None = None
        self._num_arguments = 0
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
        """What was held back; a call without its end is closed where the model meant to be done."""
        heard = Heard()
        if self._parameters is None:
            rest = "" if self._is_done else self._held
            self._tell(heard, rest.rstrip("\n") if self.num_calls else rest)
        elif is_whole:
            self._close(heard)
        self._held = ""
        return heard

    @property
    def _is_done(self) -> bool:
        return self._is_single and self.num_calls > 0 and self._parameters is None

    def _advance(self, heard: Heard) -> bool:
        """One step on; False when more text is needed."""
        if self._parameters is not None:
            return self._read_argument(heard, self._parameters)
        if self._is_done:
            self._held = ""
            return False
        before, opening, after = self._held.partition(_OPEN)
        if not opening:
            self._release(heard, len(before) - _num_undecided(before))
            return False
        return self._read_name(heard, before, after)

    def _release(self, heard: Heard, length: int) -> None:
        self._tell(heard, self._held[:length])
        self._held = self._held[length:]

    def _tell(self, heard: Heard, text: str) -> None:
        """Text without the line ends that part it from a call before."""
        text = text.lstrip("\n") if self._follows_call else text
        self._follows_call = self._follows_call and not text
        heard.text += text

    def _read_name(self, heard: Heard, before: str, after: str) -> bool:
        match = _FUNCTION.match(after)
        if match is None:
            # Without a closing bracket a name may still come; anything else is no call.
            if _may_become("<function=", after.lstrip()):
                return False
            self._release(heard, len(before) + len(_OPEN))
            return True
        self._tell(heard, before.rstrip("\n"))
        name = match[1]
        heard.calls.append(
            {
                "index": self.num_calls,
                "id": f"call_{secrets.token_hex(12)}",
                "type": "function",
                "function": {"name": name, "arguments": ""},
            }
        )
        self._held, self._num_arguments = after[match.end() :], 0
        self._parameters = self._schemas.get(name, {})
        self.num_calls += 1
        return True

    def _read_argument(self, heard: Heard, parameters: Mapping[str, Any]) -> bool:
        if match := _PARAMETER.match(self._held):
            opening = ", " if self._num_arguments else "{"
            name = json.dumps(match[1], ensure_ascii=False)
            self._say(heard, f"{opening}{name}: {json_of(match[2], parameters.get(match[1]))}")
            self._num_arguments += 1
        elif match := _FUNCTION_END.match(self._held):
            if not match[0].endswith(_CLOSE) and _may_become(_CLOSE, self._held[match.end() :].lstrip()):
                return False
            self._close(heard)
        else:
            return False
        self._held = self._held[match.end() :]
        return True

    def _close(self, heard: Heard) -> None:
        self._say(heard, "}" if self._num_arguments else "{}")
        self._parameters, self._follows_call = None, True

    def _say(self, heard: Heard, arguments: str) -> None:
        heard.calls.append({"index": self.num_calls - 1, "function": {"arguments": arguments}})


def offered_tools(body: ChatBody) -> Sequence[ToolSpec]:
    """The tools that the model may call in its answer."""
    return () if body.tool_choice == "none" else body.tools or ()


def told_calls(pieces: Iterable[CallPiece]) -> list[ToolCallDelta]:
    """News of calls that an engine has found itself."""
    return [_told(piece) for piece in pieces]


def _told(piece: CallPiece) -> ToolCallDelta:
    if not piece.name:
        return {"index": piece.index, "function": {"arguments": piece.arguments}}
    return {
        "index": piece.index,
        "id": piece.id or f"call_{secrets.token_hex(12)}",
        "type": "function",
        "function": {"name": piece.name, "arguments": piece.arguments},
    }


def whole_calls(news: Sequence[ToolCallDelta]) -> list[ToolCallAnswer]:
    """The calls that all news of an answer make together."""
    calls: list[ToolCallAnswer] = []
    for piece in news:
        function = piece["function"]
        if "id" in piece:
            named = FunctionCall(name=function.get("name", ""), arguments="")
            calls.append({"id": piece["id"], "type": "function", "function": named})
        calls[piece["index"]]["function"]["arguments"] += function["arguments"]
    return calls


def _properties(tool: ToolSpec) -> Mapping[str, Any]:
    properties = (tool.function.parameters or {}).get("properties")
    return properties if isinstance(properties, dict) else {}


def _may_become(tag: str, text: str) -> bool:
    return tag.startswith(text) or (text.startswith(tag) and ">" not in text)


def _num_undecided(text: str) -> int:
    """Characters at the end that may belong to a call: line ends, and the beginning of its tag."""
    overlap = next((n for n in range(len(_OPEN) - 1, 0, -1) if text.endswith(_OPEN[:n])), 0)
    rest = text[: len(text) - overlap]
    return overlap + len(rest) - len(rest.rstrip("\n"))
