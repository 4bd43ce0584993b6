"""What do the gateway and the engine's process say to each other?"""

from typing import Literal

import msgspec

from nemotron_backend.embedded.options import EmbeddedOptions
from nemotron_backend.engine import ResidentModel
from nemotron_backend.request import Decoding, Delta, Handover, Sampling, Stopping, Variant


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Root of all messages; the class name travels as the tag."""


class Load(Message, frozen=True, kw_only=True):
    """First message to the process: what to serve."""

    options: EmbeddedOptions


class Submit(Message, frozen=True, kw_only=True):
    """A request whose prompt is tokens already; `arrived` is on the machine's monotonic clock.

    Where the network says scores in place of words, `attributes` are their names.
    """

    id: int
    variant: Variant
    token_ids: tuple[int, ...]
    sampling: Sampling
    stopping: Stopping
    num_choices: int
    num_top_logprobs: int | None
    trace: bool
    arrived: float
    decoding: Decoding = Decoding()
    canvas: bool = False
    handover: Handover = "prefill"
    attributes: tuple[str, ...] = ()


class Abort(Message, frozen=True, kw_only=True):
    """Nobody waits for this request any more."""

    id: int


class Progress(Message, frozen=True, kw_only=True):
    """How far a model is, as a sentence for people."""

    model: str
    sentence: str


class Ready(Message, frozen=True, kw_only=True):
    """A model's first network is loaded; requests are welcome. `variants` are what it has.

    A reward model has `attributes`, which are the names of its scores.
    """

    model: str
    variants: tuple[Variant, ...]
    folder: str
    context: int
    vocab_size: int
    attributes: tuple[str, ...] = ()


class LoadFailed(Message, frozen=True, kw_only=True):
    """A model cannot be served, and trying again would not help."""

    model: str
    reason: str


class StartFailed(Message, frozen=True, kw_only=True):
    """No model can be served."""

    reason: str


class Emitted(Message, frozen=True, kw_only=True):
    """New deltas of requests, in the order in which they were made."""

    deltas: tuple[tuple[int, Delta], ...]


class Refused(Message, frozen=True, kw_only=True):
    """A request is not served: `field` matters for `invalid`, `retry_after` for `busy`."""

    id: int
    kind: Literal["invalid", "busy", "failed"]
    reason: str
    field: str = ""
    retry_after: float = 0.0


class Gauges(Message, frozen=True, kw_only=True):
    """How the process does."""

    num_running: int
    num_waiting: int
    cache_used_bytes: int
    resident: tuple[ResidentModel, ...]


ToWorker = Load | Submit | Abort
FromWorker = Progress | Ready | LoadFailed | StartFailed | Emitted | Refused | Gauges
