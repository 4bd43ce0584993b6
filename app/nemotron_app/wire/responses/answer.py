"""What does a response look like?"""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from nemotron_app.wire.answer import Evidence, TokenLogprob
from nemotron_app.wire.speculation import SpeculationMetrics

ItemStatus = Literal["in_progress", "completed", "incomplete"]
ResponseStatus = Literal["in_progress", "completed", "incomplete", "failed"]


class ReasoningText(TypedDict):
    """What the model thought, whole."""

    type: Literal["reasoning_text"]
    text: str


class ReasoningItem(TypedDict):
    """Thoughts; sent back as input they are the model's own again."""

    id: str
    type: Literal["reasoning"]
    summary: list[Any]
    content: list[ReasoningText]
    encrypted_content: None
    status: ItemStatus


class OutputText(TypedDict):
    """What the model said."""

    type: Literal["output_text"]
    text: str
    annotations: list[Any]
    logprobs: list[TokenLogprob]


class MessageItem(TypedDict):
    """A message of the model."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    content: list[OutputText]
    status: ItemStatus


class CallItem(TypedDict):
    """A call that the caller shall make."""

    id: str
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    status: ItemStatus


Item = ReasoningItem | MessageItem | CallItem


class InputDetails(TypedDict):
    """Parts of the input's tokens."""

    cached_tokens: int
    cache_write_tokens: int


class OutputDetails(TypedDict):
    """Parts of the output's tokens."""

    reasoning_tokens: int


class ResponseUsage(TypedDict):
    """What a response cost."""

    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class ResponseFailure(TypedDict):
    """Why a response failed after it had begun."""

    code: str
    message: str


class Incomplete(TypedDict):
    """Why a response ends early."""

    reason: Literal["max_output_tokens"]


class ResponseReasoning(TypedDict):
    """How thinking was asked for."""

    effort: str | None
    summary: str | None


class FormatAnswer(TypedDict):
    """The answer's shape."""

    type: Literal["text"]


class TextAnswer(TypedDict):
    """How the answer looks."""

    format: FormatAnswer


class ResponseAnswer(TypedDict):
    """The answer of `POST /v1/responses`; `model` is the complete variant. Nothing of it is kept."""

    id: str
    object: Literal["response"]
    created_at: int
    status: ResponseStatus
    background: Literal[False]
    error: ResponseFailure | None
    incomplete_details: Incomplete | None
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    model: str
    output: list[Item]
    parallel_tool_calls: bool
    previous_response_id: None
    reasoning: ResponseReasoning
    store: Literal[False]
    temperature: float
    text: TextAnswer
    tool_choice: str
    tools: list[dict[str, Any]]
    top_logprobs: int
    top_p: float
    truncation: Literal["disabled"]
    usage: ResponseUsage | None
    nvext: NotRequired[Evidence]
    metrics: NotRequired[SpeculationMetrics]


class ResponseEvent(TypedDict):
    """An event of a streamed response; `type` says what else stands in it, as OpenAI has it."""

    type: str
    sequence_number: int
    response: NotRequired[ResponseAnswer]
    item: NotRequired[Item]
    part: NotRequired[OutputText | ReasoningText]
    delta: NotRequired[str]
