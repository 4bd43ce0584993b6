"""Which messages do the items of an input spell?

What a model thought, said and called in one turn are items of their own there, and one message in chat.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from nemotron_app.errors import BadRequest
from nemotron_app.wire.chat import CalledFunction, CalledTool, ChatMessage
from nemotron_app.wire.responses.body import InputItem, InputPart

_TEXTS = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text", "refusal"})


@dataclass(slots=True)
class Turns:
    """Messages, and the place where each of them and of its calls came from, as an error names it."""

    messages: list[ChatMessage] = field(default_factory=list[ChatMessage])
    places: list[str] = field(default_factory=list[str])
    call_places: dict[tuple[int, int], str] = field(default_factory=dict[tuple[int, int], str])

    def add(self, message: ChatMessage, place: str) -> None:
        """Another message."""
        self.messages.append(message)
        self.places.append(place)

    def extend(self, place: str, *, fits: bool, **changes: object) -> None:
        """Go on with the model's last message where that is what this belongs to, or begin one."""
        last = self.messages[-1] if self.messages else None
        if fits and last is not None and last.role == "assistant":
            self.messages[-1] = last.model_copy(update=changes)
        else:
            self.add(ChatMessage(role="assistant").model_copy(update=changes), place)

    @property
    def last(self) -> ChatMessage:
        """The last message, or an empty one."""
        return self.messages[-1] if self.messages else ChatMessage(role="user")


def turns_of(instructions: str | None, items: str | Sequence[InputItem]) -> Turns:
    """The conversation. Raises BadRequest for an item that is not served or lacks something."""
    turns = Turns()
    if instructions:
        turns.add(ChatMessage(role="system", content=instructions), "instructions")
    if isinstance(items, str):
        turns.add(ChatMessage(role="user", content=items), "input")
        return turns
    for number, item in enumerate(items):
        _add(turns, item, f"input[{number}]")
    return turns


def _add(turns: Turns, item: InputItem, place: str) -> None:
    match item.type:
        case "message":
            _add_message(turns, item, place)
        case "reasoning":
            thought = _text(item.content or "", f"{place}.content")
            turns.extend(place, fits=False, reasoning_content=thought)
        case "function_call":
            _add_call(turns, item, place)
        case "function_call_output":
            output = _text(item.output, f"{place}.output")
            call_id = _needed(item.call_id, f"{place}.call_id")
            turns.add(ChatMessage(role="tool", content=output, tool_call_id=call_id), place)
        case _:
            possible = "message, reasoning, function_call and function_call_output"
            message = f"{place}.type: {item.type[:64]!r} is not served; {possible} are"
            raise BadRequest(message, param=f"{place}.type", code="unsupported_field")


def _add_message(turns: Turns, item: InputItem, place: str) -> None:
    if item.role is None:
        raise _missing(f"{place}.role")
    text = _text(item.content, f"{place}.content")
    if item.role != "assistant":
        turns.add(ChatMessage(role=item.role, content=text), place)
        return
    last = turns.last
    turns.extend(place, fits=last.content is None and not last.tool_calls, content=text)


def _add_call(turns: Turns, item: InputItem, place: str) -> None:
    function = CalledFunction(
        name=_needed(item.name, f"{place}.name"), arguments=_needed(item.arguments, f"{place}.arguments")
    )
    call = CalledTool(id=_needed(item.call_id, f"{place}.call_id"), function=function)
    calls = turns.last.tool_calls if turns.last.role == "assistant" else None
    turns.extend(place, fits=True, tool_calls=[*(calls or ()), call])
    turns.call_places[len(turns.messages) - 1, len(calls or ())] = place


def _text(content: str | Sequence[InputPart] | None, param: str) -> str:
    if content is None:
        raise _missing(param)
    if isinstance(content, str):
        return content
    return "\n".join(_part(part, f"{param}[{number}]") for number, part in enumerate(content))


def _part(part: InputPart, param: str) -> str:
    if part.type not in _TEXTS:
        raise BadRequest(
            f"{param}.type: only text is served", param=f"{param}.type", code="unsupported_field"
        )
    return _needed(part.text, f"{param}.text")


def _needed(value: str | None, param: str) -> str:
    if value is None:
        raise _missing(param)
    return value


def _missing(param: str) -> BadRequest:
    return BadRequest(f"{param} is required", param=param)
