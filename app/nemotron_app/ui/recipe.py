"""What exactly does a run ask the API for?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Messages = Sequence[Mapping[str, Any]]

# Where another program keeps fields that OpenAI's format has no place for.
EXTRA_FIELDS = frozenset({"top_k", "min_p", "repetition_penalty", "chat_template_kwargs", "nvext"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """Whether a model thinks first, with which other size if any, for how many tokens at most."""

    is_on: bool
    size: str = ""
    budget: int | None = None
    handover: str = "prefill"

    def fields(self) -> dict[str, Any]:
        """What `nvext` says of it."""
        if not self.is_on:
            return {}
        fields: dict[str, Any] = {}
        if self.size:
            fields |= {"thinking_size": self.size, "handover": self.handover}
        if self.budget is not None:
            fields["max_thinking_tokens"] = self.budget
        return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """How masks are filled in; a mode takes what has a meaning for it. None leaves the choice to the model.

    With a number of steps each forward reveals an even share, so that the threshold has no say.
    """

    block_length: int | None = None
    threshold: float = 0.9
    num_steps: int | None = None
    order: str = "confidence"
    drafting: str = "linear"
    acceptance: str = "match"

    def fields(self, decode: str) -> dict[str, Any]:
        """What `nvext` says of it for a decode mode."""
        if decode == "autoregressive":
            return {}
        block = {} if self.block_length is None else {"block_length": self.block_length}
        if decode == "self-speculation":
            return {**block, "drafting": self.drafting, "acceptance": self.acceptance}
        pace = {"threshold": self.threshold} if self.num_steps is None else {"num_steps": self.num_steps}
        return {**block, **pace, "order": self.order}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Every knob of a run; `thinking` is None for a model that has no such switch.

    `tools` are JSON schemas of functions, as a visitor wrote them: the server says what is wrong with them.
    `is_watched` asks for the record of every forward, and for each token by itself.
    """

    model: str
    size: str
    precision: str
    decode: str
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    max_tokens: int
    seed: int
    stop: tuple[str, ...]
    thinking: Thinking | None = None
    filling: Filling = Filling()
    tools: Any = ()
    is_watched: bool = False

    def body(self, messages: Messages) -> dict[str, Any]:
        """The body of `POST /v1/chat/completions` that does this run."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [dict(message) for message in messages],
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "presence_penalty": self.presence_penalty,
            "frequency_penalty": self.frequency_penalty,
        }
        if self.stop:
            body["stop"] = list(self.stop)
        if self.tools:
            body["tools"] = self.tools
        if self.is_watched:
            body["logprobs"] = True
        return body | self._beyond_openai()

    def _beyond_openai(self) -> dict[str, Any]:
        extra: dict[str, Any] = {
            "top_k": self.top_k,
            "min_p": self.min_p,
            "repetition_penalty": self.repetition_penalty,
        }
        nvext: dict[str, Any] = {"size": self.size, "precision": self.precision, "decode": self.decode}
        if self.thinking is not None:
            extra["chat_template_kwargs"] = {"enable_thinking": self.thinking.is_on}
            nvext |= self.thinking.fields()
        nvext |= self.filling.fields(self.decode)
        if self.is_watched:
            nvext |= {"trace": True, "canvas": True}
        return extra | {"nvext": nvext}
