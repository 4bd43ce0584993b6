"""Which values travel between the door and an engine?

All are frozen and complete: defaults are filled at the door, and inside nothing is optional
that a default could settle.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

Precision = Literal["bf16", "fp8", "nvfp4"]
Decode = Literal["autoregressive", "diffusion", "self-speculation"]
Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length"]
Order = Literal["confidence", "leftmost"]
ForwardKind = Literal["prefill", "decode", "draft", "verify", "denoise", "commit"]
TokenState = Literal["drafted", "accepted", "rejected", "bonus", "revealed"]
CanvasState = Literal["masked", "drafted", "revealed"]
Drafting = Literal["linear", "quadratic"]
Acceptance = Literal["match", "rejection"]
Handover = Literal["prefill", "state"]
PhaseKind = Literal["thinking", "answer"]
Wish = Literal["text", "scores"]

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
DECODES: tuple[Decode, ...] = get_args(Decode)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Which network answers and how it decodes: the four knobs of a request."""

    model: str
    size: str
    precision: Precision
    decode: Decode

    def __str__(self) -> str:
        return f"{self.model}:{self.size}:{self.precision}:{self.decode}"

    @classmethod
    def parse(cls, text: str) -> "Variant":
        """Read what `str` wrote. Raises ValueError for anything else."""
        parts = text.split(":")
        if len(parts) != 4 or not all(_NAME.fullmatch(part) for part in parts):
            raise ValueError(f"a variant reads model:size:precision:decode, not {text!r}")
        model, size, precision, decode = parts
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
        if decode not in DECODES:
            raise ValueError(f"decode must be one of {', '.join(DECODES)}, not {decode!r}")
        return cls(model=model, size=size, precision=precision, decode=decode)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A function that the model called; `arguments` is a JSON object, as JSON text.

    `id` is what whoever made the call is told by; it says nothing to a model.
    """

    name: str
    arguments: str
    id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation; `reasoning` is what the model thought before it answered.

    `call_id` is the call whose result a tool's message is.
    """

    role: Role
    content: str
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    call_id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that the model may call; `parameters` is its JSON schema, as JSON text."""

    name: str
    description: str
    parameters: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Messages and tools that the model's own chat template turns into a prompt.

    `is_thinking` is the template's switch, `effort` another that it may have, by name, and a `budget` above 0
    a hint at how many tokens of thinking shall do; thoughts of turns before the last question are left out
    unless it `keeps_thoughts`. Where it `is_finished`, the last message is an answer that shall be judged,
    and no other begins behind it.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    is_thinking: bool = True
    keeps_thoughts: bool = False
    effort: str = ""
    budget: int = -1
    is_finished: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A prompt that is taken as it stands, as `/v1/completions` does."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIds:
    """A prompt that is already tokens."""

    token_ids: tuple[int, ...]


Prompt = Conversation | Text | TokenIds


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a token is drawn. Temperature 0 takes the most likely one; top_k 0 keeps all."""

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    logit_bias: tuple[tuple[int, float], ...]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingStop:
    """Where the thoughts that an answer begins with end, in tokens.

    They end with `end_id`, which is the answer's last token if it `hands_over` to another size; stop strings
    count from there on. Past `budget` tokens (-1: no limit) the next of `line_ends`, and `grace` tokens later
    any token, is the answer's last all the same, with `finish` "length".
    """

    end_id: int
    line_ends: tuple[int, ...] = ()
    budget: int = -1
    grace: int = 0
    hands_over: bool = False


# The likeliest token at every place, with nothing done to the logits.
GREEDY = Sampling(
    temperature=0.0,
    top_p=1.0,
    top_k=0,
    min_p=0.0,
    repetition_penalty=1.0,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    logit_bias=(),
    seed=0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """When an answer ends, besides the model's own end-of-turn tokens."""

    max_tokens: int
    strings: tuple[str, ...]
    token_ids: tuple[int, ...]
    ignore_eos: bool
    thinking: ThinkingStop | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How masks are filled in, where the decode mode has any.

    `block_length` 0 takes the model's own; self-speculation then also drafts less while little of it is
    accepted. Each forward reveals the first place in `order`, and those after it whose confidence reaches
    `threshold`; or, where `num_steps` is not 0, an even share of them, so that a block takes so many.
    `drafting` and `acceptance` are self-speculation's: one forward to verify and one to draft, or both in
    one; a drafted token stands where it is what would have been drawn, or by rejection sampling.
    """

    block_length: int = 0
    threshold: float = 0.0
    num_steps: int = 0
    order: Order = "confidence"
    drafting: Drafting = "linear"
    acceptance: Acceptance = "match"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """How long a model may think, and how another size takes over from it.

    Past `budget` tokens the next line's end ends the thinking, `grace` tokens later at the latest;
    -1 sets no limit. The size that answers reads prompt and thoughts anew (`prefill`, exact) or goes
    on from the keys, values and states of the size that thought (`state`, approximate).
    """

    budget: int = -1
    grace: int = 500
    handover: Handover = "prefill"


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One request as an engine takes it.

    `num_choices` answers are made, with seeds `sampling.seed`, `seed + 1`, and so on.
    `num_top_logprobs` is None when no log-probabilities are asked for. `canvas` asks for what is being
    filled in, before any of it is certain. A `wish` for scores is granted by reward models alone, which grant
    no other; `scoring` makes such a request.
    """

    id: str
    variant: Variant
    prompt: Prompt
    sampling: Sampling
    stopping: Stopping
    num_choices: int
    num_top_logprobs: int | None
    trace: bool
    decoding: Decoding = Decoding()
    thinking: Thinking = Thinking()
    canvas: bool = False
    wish: Wish = "text"


def scoring(request_id: str, variant: Variant, conversation: Conversation) -> GenerationRequest:
    """A request for scores of the conversation's last message, for which no token is made."""
    return GenerationRequest(
        id=request_id,
        variant=variant,
        prompt=replace(conversation, is_finished=True),
        sampling=GREEDY,
        stopping=Stopping(max_tokens=0, strings=(), token_ids=(), ignore_eos=False),
        num_choices=1,
        num_top_logprobs=None,
        trace=False,
        wish="scores",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a reward model says of an answer in one respect."""

    name: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenChoice:
    """A token with the natural logarithm of its probability before sampling settings."""

    id: int
    bytes: bytes
    logprob: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token that was emitted; `top` holds the likeliest at its place, most likely first.

    `id` is -1 where only the token's text is known.
    """

    id: int
    bytes: bytes
    logprob: float
    top: tuple[TokenChoice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedToken:
    """What one forward did at one position of the sequence."""

    position: int
    id: int
    state: TokenState


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """One run of the network: what it was for, how long it took, which tokens it touched."""

    kind: ForwardKind
    milliseconds: float
    tokens: tuple[TracedToken, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CanvasToken:
    """One place of a block that is being filled in; a masked one has no bytes."""

    bytes: bytes
    state: CanvasState


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """The places behind the certain tokens, from `position` on, as the last forward left them."""

    position: int
    tokens: tuple[CanvasToken, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of an answer that one size made: its tokens, and the time to its first and to its last."""

    kind: PhaseKind
    size: str
    num_tokens: int
    first_token_milliseconds: float
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one choice cost. `forwards` counts every run of the network after the prefill.

    `reasoning_tokens` and `cached_tokens` are parts of completion and prompt tokens.
    Times are milliseconds; `queue` ends when the first prefill forward starts, `first_token` counts
    from the request's arrival, `total` to its end. Where the engine cannot see its forwards, it
    `knows_forwards` not.
    """

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    forwards: int
    queue_milliseconds: float
    first_token_milliseconds: float
    total_milliseconds: float
    phases: tuple[Phase, ...] = ()
    knows_forwards: bool = True

    @property
    def tokens_per_forward(self) -> float:
        """Completion tokens over forwards; the prefill's last forward gave the first token, so it counts."""
        return self.completion_tokens / (self.forwards + 1)

    @property
    def tokens_per_second(self) -> float:
        """Rate of the tokens after the first, over the time after the first; 0 for a single token."""
        elapsed = self.total_milliseconds - self.first_token_milliseconds
        return (
            1000 * (self.completion_tokens - 1) / elapsed
            if self.completion_tokens > 1 and elapsed > 0
            else 0.0
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPiece:
    """What is new in the call `index` of an answer; the first piece of one has its id and name."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What is new in one choice. The last one of a choice carries `finish` and `usage`, no other does.

    `size` is the elastic size that made it, where sizes take turns. A `notice` tells what the variant lacks,
    where the answer is right all the same; it comes once a choice. `num_untold` counts tokens that were made
    and are not among `tokens`. `calls` are of an engine that tells them from the text itself. `scores` come
    all at once, in the model's order, and then nothing else does.
    """

    index: int
    text: str = ""
    reasoning: str = ""
    tokens: tuple[Token, ...] = ()
    trace: tuple[Forward, ...] = ()
    canvas: Canvas | None = None
    size: str = ""
    notice: str = ""
    num_untold: int = 0
    calls: tuple[CallPiece, ...] = ()
    scores: tuple[Score, ...] = ()
    finish: FinishReason | None = None
    usage: Usage | None = field(default=None)
