"""Which conversation do the messages of a body spell?"""

from collections.abc import Sequence

from nemotron_app.errors import BadRequest
from nemotron_app.wire.chat import ChatMessage, ContentPart
from nemotron_backend.request import Conversation, Message, Role


def conversation_of(messages: Sequence[ChatMessage]) -> Conversation:
    """The messages as an engine takes them. Raises BadRequest for anything but text."""
    return Conversation(messages=tuple(_message(message, place) for place, message in enumerate(messages)))


def _message(message: ChatMessage, place: int) -> Message:
    if message.tool_calls:
        param = f"messages[{place}].tool_calls"
        raise BadRequest(f"{param}: tool calls are not served yet", param=param, code="unsupported_field")
    role: Role = "system" if message.role == "developer" else message.role
    reasoning = message.reasoning_content or message.reasoning or ""
    if message.content is None and not reasoning:
        param = f"messages[{place}].content"
        raise BadRequest(f"{param} is required", param=param)
    return Message(role=role, content=_text(message.content or "", place), reasoning=reasoning)


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
