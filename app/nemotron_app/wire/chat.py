"""What does a chat request look like?"""

from typing import Annotated, Any, Literal

from pydantic import Field

from nemotron_app.wire.fields import MAX_INT, GenerationBody, Wire

FunctionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")]


class ContentPart(Wire):
    """A piece of a message; only text is read."""

    type: str
    text: str | None = None


class CalledFunction(Wire):
    """Which function was called; `arguments` is a JSON object in a string."""

    name: FunctionName
    arguments: str = "{}"


class CalledTool(Wire):
    """A call that the model made in an earlier turn."""

    id: str = Field(min_length=1, max_length=256)
    type: Literal["function"] = "function"
    function: CalledFunction


class ChatMessage(Wire):
    """One turn. A model's earlier thoughts may come back under either name."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ContentPart] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[CalledTool] | None = Field(default=None, max_length=128)
    tool_call_id: str | None = Field(default=None, max_length=256)


class FunctionSpec(Wire):
    """A function that may be called; `parameters` is the JSON schema of an object."""

    name: FunctionName
    description: str | None = Field(default=None, max_length=65536)
    parameters: dict[str, Any] | None = None


class ToolSpec(Wire):
    """A tool that may be called."""

    type: Literal["function"]
    function: FunctionSpec


class TemplateArguments(Wire):
    """Arguments of the model's chat template."""

    enable_thinking: bool | None = Field(default=None, description="Whether the model thinks first.")
    reasoning_budget: int | None = Field(
        default=None, ge=-1, le=MAX_INT, description="The same as `reasoning_budget` beside it."
    )
    truncate_history_thinking: bool | None = Field(
        default=None, description="Leave out thoughts of turns before the last question, as by default."
    )


class ResponseFormat(Wire):
    """The shape an answer must have."""

    type: Literal["text", "json_object", "json_schema"]


class ChatBody(GenerationBody):
    """The body of `POST /v1/chat/completions`."""

    messages: list[ChatMessage] = Field(min_length=1, max_length=4096)
    max_completion_tokens: int | None = Field(
        default=None, ge=1, le=MAX_INT, description="Most tokens to make, thinking included."
    )
    logprobs: bool | None = Field(default=None, description="Answer with the log-probability of every token.")
    top_logprobs: int | None = Field(
        default=None, ge=0, le=20, description="How many likely tokens at each place."
    )
    chat_template_kwargs: TemplateArguments | None = None
    reasoning_budget: int | None = Field(
        default=None,
        ge=-1,
        le=MAX_INT,
        description="Tokens of thinking after which the next line's end ends it; 0 switches it off, -1 "
        "sets no limit.",
    )
    thinking_token_budget: int | None = Field(
        default=None, ge=-1, le=MAX_INT, description="The same as `reasoning_budget`."
    )
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = Field(
        default=None, description="`none` switches thinking off, `high` on; others where the model has them."
    )
    tools: list[ToolSpec] | None = Field(
        default=None, max_length=128, description="Functions that the model may call."
    )
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = Field(
        default=None, description="`none` or `auto`."
    )
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
