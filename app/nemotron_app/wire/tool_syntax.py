"""Who reads the calls of tools in the form that a model writes them?"""

from collections.abc import Sequence
from typing import Protocol

from nemotron_app.wire.chat import ToolSpec
from nemotron_app.wire.json_tool_calls import BareCallReader, TaggedCallReader
from nemotron_app.wire.tool_calls import Heard, ToolCallReader
from nemotron_backend.catalog import ToolSyntax


class CallReader(Protocol):
    """Finds the calls in one answer, piece by piece."""

    @property
    def num_calls(self) -> int: ...

    def push(self, text: str) -> Heard:
        """Take more of the answer; gives what is certain."""
        ...

    def finish(self, *, is_whole: bool) -> Heard:
        """What was held back, now that no text follows; `is_whole` where the model meant to be done."""
        ...


def reader_of(syntax: ToolSyntax, tools: Sequence[ToolSpec], *, is_single: bool) -> CallReader:
    """A reader for one answer; `is_single` takes its first call alone."""
    match syntax:
        case "qwen3_coder":
            return ToolCallReader(tools, is_single=is_single)
        case "toolcall":
            return TaggedCallReader(is_single=is_single)
        case "llama3_json":
            return BareCallReader(is_single=is_single)
