"""What does a request for a response ask, in the words of chat, and what do errors about that mean here?"""

import re
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

from nemotron_app.errors import BadRequest
from nemotron_app.wire.chat import ChatBody, FunctionSpec, ToolSpec
from nemotron_app.wire.responses.body import ReasoningWish, ResponsesBody, ResponseTool
from nemotron_app.wire.responses.refuse import refuse_unserved
from nemotron_app.wire.responses.turns import Turns, turns_of
from nemotron_backend.engine import ContextTooLong, InvalidRequest
from nemotron_backend.request import Delta

# Fields that mean the same here and there.
_ALIKE = (
    "model",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "seed",
    "stop",
    "stop_token_ids",
    "ignore_eos",
    "stream",
    "nvext",
    "chat_template_kwargs",
    "reasoning_budget",
    "parallel_tool_calls",
    "tool_choice",
)
_NAMES = {
    "messages": "input",
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "reasoning_effort": "reasoning.effort",
    "logprobs": "include",
}
_MESSAGE = re.compile(r"messages\[(\d+)\]")
_CALL = re.compile(r"\.tool_calls\[(\d+)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """The body of chat that means the same, and the turns that it is made of."""

    chat: ChatBody
    turns: Turns

    @contextmanager
    def renaming(self) -> Generator[None, None, None]:
        """Errors about fields of chat become errors about those that the caller sent."""
        try:
            yield
        except BadRequest as error:
            message, param = self._rename(str(error), error.param or "")
            raise BadRequest(message, param=param or None, code=error.code) from error
        except ContextTooLong as error:
            message, param = self._rename(str(error), error.field)
            raise ContextTooLong(param, message, num_tokens=error.num_tokens, limit=error.limit) from error
        except InvalidRequest as error:
            message, param = self._rename(str(error), error.field)
            raise InvalidRequest(param, message) from error

    async def renamed(self, deltas: AsyncGenerator[Delta, None]) -> AsyncGenerator[Delta, None]:
        """The same deltas, with errors so renamed."""
        async with aclosing(deltas):
            with self.renaming():
                async for delta in deltas:
                    yield delta

    def _rename(self, message: str, param: str) -> tuple[str, str]:
        found = _MESSAGE.match(param)
        new = self._place(int(found[1]), param[found.end() :]) if found else _NAMES.get(param, param)
        return (new + message.removeprefix(param) if param and message.startswith(param) else message), new

    def _place(self, number: int, rest: str) -> str:
        """A field of a message, or of one of its calls, which were items of their own."""
        place = self.turns.places[number]
        if call := _CALL.match(rest):
            field = rest[call.end() :].removeprefix(".function")
            return self.turns.call_places[number, int(call[1])] + field
        if "[" not in place:
            return place
        names = {".tool_call_id": ".call_id", ".role": ".type" if self._is_result(number) else ".role"}
        return place + names.get(rest, rest)

    def _is_result(self, number: int) -> bool:
        return self.chat.messages[number].role == "tool"


def spoken_of(body: ResponsesBody) -> Spoken:
    """The same in chat. Raises BadRequest."""
    refuse_unserved(body)
    turns = turns_of(body.instructions, body.input)
    reasoning = body.reasoning or ReasoningWish()
    chat = ChatBody.model_validate(
        {name: getattr(body, name) for name in _ALIKE}
        | {
            "messages": turns.messages,
            "max_completion_tokens": body.max_output_tokens,
            "reasoning_effort": reasoning.effort,
            "tools": [_tool(tool, f"tools[{place}]") for place, tool in enumerate(body.tools or ())] or None,
            "logprobs": body.wants_logprobs or None,
            "top_logprobs": body.top_logprobs or None,
        }
    )
    return Spoken(chat=chat, turns=turns)


def _tool(tool: ResponseTool, param: str) -> ToolSpec:
    if tool.type != "function":
        message = (
            f"{param}.type: {tool.type[:64]!r} is no tool here; only functions are, which the caller runs"
        )
        raise BadRequest(message, param=f"{param}.type", code="unsupported_field")
    if tool.name is None:
        raise BadRequest(f"{param}.name is required", param=f"{param}.name")
    function = FunctionSpec(name=tool.name, description=tool.description, parameters=tool.parameters)
    return ToolSpec(type="function", function=function)
