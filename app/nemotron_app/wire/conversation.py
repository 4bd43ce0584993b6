"""Which conversation do the messages of a body spell?"""

import json
from collections.abc import Sequence

from pydantic_core import from_json

from nemotron_app.errors import BadRequest
from nemotron_app.wire.chat import CalledTool, ChatMessage, ContentPart, ToolSpec
from nemotron_app.wire.thinking import Reflection
from nemotron_backend.catalog import Model
from nemotron_backend.request import Conversation, Message, Role, Tool, ToolCall


def conversation_of(
    messages: Sequence[ChatMessage], model: Model, reflection: Reflection, tools: Sequence[ToolSpec] = ()
) -> Conversation:
    """The messages as an engine takes them. Raises BadRequest for anything but text, and for stray tools."""
    _check_tools(messages, model)
    return Conversation(
        messages=tuple(_message(message, place) for place, message in enumerate(messages)),
        tools=tuple(_tool(tool) for tool in tools),
        is_thinking=reflection.is_on,
        keeps_thoughts=reflection.keeps_thoughts,
        effort=reflection.effort,
        budget=reflection.thinking.budget if reflection.is_on else -1,
    )


def _check_tools(messages: Sequence[ChatMessage], model: Model) -> None:
    """Results must answer a call, and calls be of a model that makes them."""
    known: set[str] = set()
    for place, message in enumerate(messages):
        field = "role" if message.role == "tool" else "tool_calls" if message.tool_calls else ""
        param = f"messages[{place}].{field}"
        if field and not model.tools:
            text = f"{param}: {model.id} was not taught to call tools"
            raise BadRequest(text, param=param, code="unsupported_field")
        if message.role == "tool" and message.tool_call_id not in known:
            param = f"messages[{place}].tool_call_id"
            raise BadRequest(f"{param} must be the id of a call in an earlier message", param=param)
        known |= {call.id for call in message.tool_calls or ()}


def _message(message: ChatMessage, place: int) -> Message:
    role: Role = "system" if message.role == "developer" else message.role
    reasoning = message.reasoning_content or message.reasoning or ""
    if message.content is None and not reasoning and not message.tool_calls:
        param = f"messages[{place}].content"
        raise BadRequest(f"{param} is required", param=param)
    calls = enumerate(message.tool_calls or ())
    return Message(
        role=role,
        content=_text(message.content or "", place),
        reasoning=reasoning,
        tool_calls=tuple(_call(call, f"messages[{place}].tool_calls[{i}].function") for i, call in calls),
        call_id=message.tool_call_id or "",
    )


def _call(call: CalledTool, param: str) -> ToolCall:
    function = call.function
    try:
        arguments = from_json(function.arguments or "{}", allow_inf_nan=False)
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise BadRequest(f"{param}.arguments must be a JSON object, in a string", param=f"{param}.arguments")
    return ToolCall(name=function.name, arguments=json.dumps(arguments, ensure_ascii=False), id=call.id)


def _tool(spec: ToolSpec) -> Tool:
    function = spec.function
    return Tool(
        name=function.name,
        description=function.description or "",
        parameters=json.dumps(function.parameters or {}, ensure_ascii=False),
    )


def _text(content: str | list[ContentPart], place: int) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(_part(part, f"messages[{place}].content[{i}]") for i, part in enumerate(content))


def _part(part: ContentPart, param: str) -> str:
    if part.type != "text":
        message = f"{param}.type: only text is served"
        raise BadRequest(message, param=f"{param}.type", code="unsupported_field")
    if part.text is None:
        raise BadRequest(f"{param}.text is required", param=f"{param}.text")
    return part.text
