"""What does a request for a response look like?"""

from typing import Annotated, Any, Literal

from pydantic import Field

from nemotron_app.wire.chat import FunctionName, TemplateArguments
from nemotron_app.wire.fields import MAX_INT, GenerationBody, Wire


class InputPart(Wire):
    """A piece of an item; only text is read."""

    type: str
    text: str | None = None


class InputItem(Wire):
    """A message, a call that the model made, its result, or what the model thought; by default a message."""

    type: str = "message"
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: str | list[InputPart] | None = None
    call_id: str | None = Field(default=None, min_length=1, max_length=256)
    name: FunctionName | None = None
    arguments: str | None = None
    output: str | list[InputPart] | None = None


class ResponseTool(Wire):
    """A tool that may be called; only functions are."""

    type: str
    name: FunctionName | None = None
    description: str | None = Field(default=None, max_length=65536)
    parameters: dict[str, Any] | None = None


class ReasoningWish(Wire):
    """How the model shall think."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = Field(
        default=None, description="Only `auto`: thoughts are given whole, not summed up."
    )


class TextFormat(Wire):
    """The shape an answer must have."""

    type: Literal["text", "json_object", "json_schema"]


class TextWish(Wire):
    """How the answer shall look."""

    format: TextFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = Field(
        default=None, description="Only `medium`, which is what a model does by itself."
    )


class ResponsesBody(GenerationBody):
    """The body of `POST /v1/responses`. Nothing of it is kept, whatever `store` says."""

    # With the instructions these are as many as chat takes.
    input: str | Annotated[list[InputItem], Field(max_length=4095)] = Field(min_length=1)
    instructions: str | None = Field(default=None, description="A system message before the input.")
    max_output_tokens: int | None = Field(
        default=None, ge=1, le=MAX_INT, description="Most tokens to make, thinking included."
    )
    tools: list[ResponseTool] | None = Field(
        default=None, max_length=128, description="Functions that the model may call."
    )
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = Field(
        default=None, description="`none` or `auto`."
    )
    parallel_tool_calls: bool | None = None
    reasoning: ReasoningWish | None = None
    text: TextWish | None = None
    include: list[str] | None = Field(
        default=None,
        max_length=32,
        description="`message.output_text.logprobs` is honoured; others are about tools that run elsewhere.",
    )
    top_logprobs: int | None = Field(
        default=None, ge=0, le=20, description="How many likely tokens at each place."
    )
    metadata: dict[str, str] | None = Field(default=None, max_length=16, description="Given back.")
    store: bool | None = Field(default=None, description="Taken as `false`: nothing is kept.")
    previous_response_id: str | None = Field(
        default=None, max_length=256, description="Not served: send earlier items as `input`."
    )
    conversation: Any = Field(default=None, description="Not served: send earlier items as `input`.")
    prompt: Any = Field(default=None, description="Not served.")
    background: bool | None = Field(default=None, description="Only `false` is served.")
    truncation: Literal["auto", "disabled"] | None = Field(
        default=None, description="Only `disabled`: no item is left out in silence."
    )
    chat_template_kwargs: TemplateArguments | None = None
    reasoning_budget: int | None = Field(
        default=None, ge=-1, le=MAX_INT, description="Tokens of thinking, as in chat."
    )

    @property
    def wants_logprobs(self) -> bool:
        """Whether the text comes with log-probabilities."""
        return bool(self.top_logprobs) or "message.output_text.logprobs" in (self.include or ())
