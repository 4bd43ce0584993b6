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


class ChatMessageAnswer(TypedDict):
    """What the model said; both names of its thoughts are given when it had any."""

    role: Literal["assistant"]
    content: str
    refusal: None
    reasoning_content: NotRequired[str]
    reasoning: NotRequired[str]


class ChatDelta(TypedDict, total=False):
    """What is new in a choice."""

    role: Literal["assistant"]
    content: str
    reasoning_content: str
    reasoning: str


class ChatChoice(TypedDict):
    """One answer."""

    index: int
    message: ChatMessageAnswer
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason


class ChatChunkChoice(TypedDict):
    """One answer's news."""

    index: int
    delta: ChatDelta
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason | None


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


class Metrics(TypedDict):
    """How a call went, as the engine measured it."""

    ttft_ms: float
    tokens_per_second: float
    forwards: int
    tokens_per_forward: float
    queue_ms: float
    total_ms: float


class Recipe(TypedDict):
    """All that another run needs to give the same tokens."""

    variant: str
    seed: int
    max_tokens: int
    sampling: dict[str, Any]
    decoding: dict[str, Any]
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


class Evidence(TypedDict, total=False):
    """NVIDIA's extension object in an answer: how it was made."""

    metrics: Metrics
    recipe: Recipe
    trace: list[ForwardAnswer]


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
