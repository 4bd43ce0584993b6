"""What is an engine, and how does it fail?

EngineError
├── InvalidRequest          the request cannot be served as it stands; names the field
│   ├── ContextTooLong      prompt and answer do not fit the model's context
│   └── NoTokenizer         the engine cannot tell this model's tokens
├── UnknownVariant          this engine does not have the variant
├── EngineStarting          the engine is not ready yet
├── EngineBusy              too many requests wait already
└── EngineFailed            the engine broke while it served the request
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal, Protocol

from nemotron_backend.request import Delta, GenerationRequest, Prompt, Variant

EngineState = Literal["starting", "ready", "failed"]


class EngineError(Exception):
    """Root of all that an engine may raise."""


class InvalidRequest(EngineError):
    """The request cannot be served as it stands; `field` names the culprit as the API spells it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class ContextTooLong(InvalidRequest):
    """Prompt and answer need `num_tokens`, the model's context holds `limit`."""

    def __init__(self, field: str, message: str, *, num_tokens: int, limit: int) -> None:
        super().__init__(field, message)
        self.num_tokens = num_tokens
        self.limit = limit


class NoTokenizer(InvalidRequest):
    """The engine cannot tell which tokens a prompt of this model has."""


class UnknownVariant(EngineError):
    """The engine does not serve this variant."""


class EngineStarting(EngineError):
    """The engine loads its models; the message says how far it is."""


class EngineBusy(EngineError):
    """Too many requests wait already; try again in `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class EngineFailed(EngineError):
    """The engine broke while it served the request; a new request may be tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentModel:
    """One set of weights in memory: bytes that it holds for itself alone.

    What several of a model's networks look at has an entry of its own, with neither size nor precision.
    """

    model: str
    size: str
    precision: str
    num_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """A field of requests, as the API spells it, that an engine cannot honour."""

    field: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """How far one model of an engine is; `progress` says why it failed, or what it waits for.

    `engine` is whose it is, where several serve, `variants` what that one serves of it, and `lacks` what it
    cannot do for them.
    """

    model: str
    state: EngineState
    progress: str
    engine: str = ""
    variants: tuple[Variant, ...] = ()
    lacks: tuple[Lack, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatus:
    """How an engine does right now; `progress` is a sentence for people while it starts.

    It is ready once one of its models is; `models` tells of each.
    """

    name: str
    state: EngineState
    progress: str
    num_running: int
    num_waiting: int
    cache_used_bytes: int
    cache_limit_bytes: int
    resident: tuple[ResidentModel, ...]
    models: tuple[ModelStatus, ...] = ()


class Engine(Protocol):
    """Turns requests into text. Closing the generator of `stream` aborts the request."""

    def stream(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        """Answer one request, delta by delta. Raises EngineError, mostly before the first delta."""
        ...

    async def tokenize(self, model: str, prompt: Prompt) -> tuple[int, ...]:
        """Token ids of a prompt as the model would read it. Raises UnknownVariant, InvalidRequest, of which
        NoTokenizer says that there is no telling.
        """
        ...

    async def detokenize(self, model: str, token_ids: tuple[int, ...]) -> str:
        """Text of token ids. Raises as `tokenize`; InvalidRequest also for an id outside the vocabulary."""
        ...

    def variants(self) -> tuple[Variant, ...]:
        """Every variant that this engine serves."""
        ...

    def status(self) -> EngineStatus:
        """How the engine does, without waiting for it."""
        ...

    async def aclose(self) -> None:
        """Abort what runs and free everything."""
        ...
