"""How does a call of a tool read?"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from openai.types.chat.chat_completion_chunk import ChoiceDeltaToolCall

from nemotron_app.ui import strings


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A function that the model wants called; `arguments` is JSON text, as it comes."""

    id: str = ""
    name: str = ""
    arguments: str = ""

    def as_message(self) -> dict[str, Any]:
        """The call as the API takes it back."""
        function = {"name": self.name, "arguments": self.arguments}
        return {"id": self.id, "type": "function", "function": function}

    def as_table(self) -> str:
        """The arguments as a table in Markdown, or as they stand if they are no object."""
        named = _object(self.arguments)
        if named is None:
            return _fenced(self.arguments)
        if not named:
            return strings.CALL_WITHOUT
        head = (strings.CALL_ARGUMENT, strings.CALL_VALUE)
        rows = ((f"`{name}`", _cell(value)) for name, value in named.items())
        return "\n".join(f"| {left} | {right} |" for left, right in (head, ("---", "---"), *rows))


def grown(calls: tuple[ToolCall, ...], news: Iterable[ChoiceDeltaToolCall]) -> tuple[ToolCall, ...]:
    """The calls with what a chunk adds: a new one whole, or more of the arguments of one."""
    listed = list(calls)
    for new in news:
        while len(listed) <= new.index:
            listed.append(ToolCall())
        old, function = listed[new.index], new.function
        listed[new.index] = replace(
            old,
            id=new.id or old.id,
            name=old.name or ((function.name or "") if function else ""),
            arguments=old.arguments + ((function.arguments or "") if function else ""),
        )
    return tuple(listed)


def _object(text: str) -> Mapping[str, Any] | None:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("|", "\\|").replace("\n", " ")


def _fenced(text: str) -> str:
    return f"```json\n{text}\n```"
