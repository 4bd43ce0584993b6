"""What do answers look like?"""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from nemotron_app.wire.speculation import SpeculationMetrics
from nemotron_backend.request import FinishReason


class TopLogprob(TypedDict):
    """A token that could have stood here."""

    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(TopLogprob):
    """A token that does stand here, with the likeliest at its place."""

    top_logprobs: list[TopLogprob]


class ChatLogprobs(TypedDict):
    """Log-probabilities as chat spells them."""

    content: list[TokenLogprob]
    refusal: None


class TextLogprobs(TypedDict):
    """Log-probabilities as plain completions spell them."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class FunctionCall(TypedDict):
    """Which function is called; `arguments` is a JSON object in a string."""

    name: str
    arguments: str


class ToolCallAnswer(TypedDict):
    """A call that the caller shall make."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class FunctionCallDelta(TypedDict):
    """A function's name once, then its arguments piece by piece."""

    name: NotRequired[str]
    arguments: str


class ToolCallDelta(TypedDict):
    """What is new in a call; the first of one has its id."""

    index: int
    id: NotRequired[str]
    type: NotRequired[Literal["function"]]
    function: FunctionCallDelta


AnswerEnd = Literal["stop", "length", "tool_calls"]


class ChatMessageAnswer(TypedDict):
    """What the model said; both names of its thoughts are given when it had any."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    tool_calls: NotRequired[list[ToolCallAnswer]]
    reasoning_content: NotRequired[str]
    reasoning: NotRequired[str]


class ChatDelta(TypedDict, total=False):
    """What is new in a choice."""

    role: Literal["assistant"]
    content: str
    reasoning_content: str
    reasoning: str
    tool_calls: list[ToolCallDelta]


class ChatChoice(TypedDict):
    """One answer."""

    index: int
    message: ChatMessageAnswer
    logprobs: ChatLogprobs | None
    finish_reason: AnswerEnd


class ChatChunkChoice(TypedDict):
    """One answer's news."""

    index: int
    delta: ChatDelta
    logprobs: ChatLogprobs | None
    finish_reason: AnswerEnd | None


class TextChoice(TypedDict):
    """One continuation, or its news."""

    index: int
    text: str
    logprobs: TextLogprobs | None
    finish_reason: FinishReason | None


class PromptDetails(TypedDict):
    """Parts of the prompt's tokens."""

    cached_tokens: int


class CompletionDetails(TypedDict):
    """Parts of the answer's tokens."""

    reasoning_tokens: int
    accepted_prediction_tokens: NotRequired[int]
    rejected_prediction_tokens: NotRequired[int]


class UsageAnswer(TypedDict):
    """What a call cost."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class PhaseAnswer(TypedDict):
    """A stretch of the choice `index` that one size made; both times count from its beginning."""

    index: int
    kind: str
    size: str
    tokens: int
    ttft_ms: float
    ms: float


class Metrics(TypedDict):
    """How a call went, as the engine measured it; `phases` where the model thought first.

    Forwards are not told by an engine that cannot see them.
    """

    ttft_ms: float
    tokens_per_second: float
    forwards: NotRequired[int]
    tokens_per_forward: NotRequired[float]
    queue_ms: float
    total_ms: float
    phases: NotRequired[list[PhaseAnswer]]


class ThinkingAnswer(TypedDict):
    """How thinking was set, under the names that a request has for it."""

    enable_thinking: bool
    truncate_history_thinking: bool
    reasoning_budget: int
    thinking_grace: int
    handover: str
    effort: str


class Recipe(TypedDict):
    """All that another run needs to give the same tokens."""

    variant: str
    seed: int
    max_tokens: int
    sampling: dict[str, Any]
    decoding: dict[str, Any]
    thinking: NotRequired[ThinkingAnswer]
    versions: dict[str, str]


class TracedTokenAnswer(TypedDict):
    """What a forward did at one position."""

    position: int
    id: int
    state: str


class ForwardAnswer(TypedDict):
    """One run of the network, for the choice `index`."""

    index: int
    kind: str
    ms: float
    tokens: list[TracedTokenAnswer]


class CanvasTokenAnswer(TypedDict):
    """A place that is being filled in; a masked one has no text."""

    text: str
    state: str


class CanvasAnswer(TypedDict):
    """The places of the choice `index` behind its certain tokens, from `position` on."""

    index: int
    position: int
    tokens: list[CanvasTokenAnswer]


class Evidence(TypedDict, total=False):
    """NVIDIA's extension object in an answer: how it was made.

    In a stream `size` is the one that made the chunk, where two take turns, and a `canvas` has a chunk of
    its own. A `notice` says what the variant lacks and had to do without. `reward` makes one number of a
    reward model's scores.
    """

    metrics: Metrics
    recipe: Recipe
    trace: list[ForwardAnswer]
    trace_version: int
    size: str
    canvas: CanvasAnswer
    notice: str
    reward: float


class ChatCompletion(TypedDict):
    """The answer of `POST /v1/chat/completions`; `model` is the complete variant."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChatChoice]
    usage: UsageAnswer
    nvext: Evidence
    metrics: NotRequired[SpeculationMetrics]


class ChatChunk(TypedDict):
    """One event of a streamed chat answer; the evidence stands in the last, with the usage if asked for."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChatChunkChoice]
    usage: NotRequired[UsageAnswer]
    nvext: NotRequired[Evidence]
    metrics: NotRequired[SpeculationMetrics]


class TextChunk(TypedDict):
    """One event of a streamed completion; the evidence stands in the last, with the usage if asked for."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[TextChoice]
    usage: NotRequired[UsageAnswer]
    nvext: NotRequired[Evidence]
    metrics: NotRequired[SpeculationMetrics]


class TextCompletion(TypedDict):
    """The answer of `POST /v1/completions`; `model` is the complete variant."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[TextChoice]
    usage: UsageAnswer
    nvext: Evidence
    metrics: NotRequired[SpeculationMetrics]


class ErrorBody(TypedDict):
    """OpenAI's error object."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswer(TypedDict):
    """Every failure: OpenAI's envelope with NVIDIA's fields beside it."""

    error: ErrorBody
    status: int
    title: str
    detail: str
    requestId: str
