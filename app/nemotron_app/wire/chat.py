"""What does a chat request look like?"""

from typing import Literal

from pydantic import Field

from nemotron_app.wire.fields import MAX_INT, GenerationBody, Wire


class ContentPart(Wire):
    """A piece of a message; only text is read."""

    type: str
    text: str | None = None


class ChatMessage(Wire):
    """One turn. A model's earlier thoughts may come back under either name."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[ContentPart] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[dict[str, object]] | None = None


class TemplateArguments(Wire):
    """Arguments of the model's chat template."""

    enable_thinking: bool | None = None
    reasoning_budget: int | None = Field(default=None, ge=-1, le=MAX_INT)


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
        default=None, ge=-1, le=MAX_INT, description="Most tokens of thinking; -1 sets no limit."
    )
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    response_format: ResponseFormat | None = None
