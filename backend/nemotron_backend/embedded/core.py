"""What happens in one step: schedule, run, sample, emit?"""

from collections.abc import Callable, Mapping
from typing import Protocol

from nemotron_backend.embedded.cache_memory import CacheMemory
from nemotron_backend.embedded.decode import scoring
from nemotron_backend.embedded.decode.advance import Advance
from nemotron_backend.embedded.decode.modes import mode_of
from nemotron_backend.embedded.messages import Emitted, Gauges, Refused, Submit
from nemotron_backend.embedded.options import EmbeddedOptions
from nemotron_backend.embedded.refusal import why_hopeless
from nemotron_backend.embedded.scheduler import Scheduler
from nemotron_backend.embedded.sequence import Sequence
from nemotron_backend.embedded.vocabulary import Vocabulary
from nemotron_backend.engine import ResidentModel
from nemotron_backend.model.network import Network
from nemotron_backend.request import Delta, Variant

Event = Emitted | Refused


class NetworkSource(Protocol):
    """Where the networks of variants come from."""

    def find(self, variant: Variant) -> Network | None:
        """The network, or None while it is being made."""
        ...

    def failure(self, variant: Variant) -> str | None:
        """Why it could not be made."""
        ...

    @property
    def resident(self) -> tuple[ResidentModel, ...]:
        """What is in memory."""
        ...


class Core:
    """The engine without its process: requests in, events out, one step at a time."""

    def __init__(
        self,
        options: EmbeddedOptions,
        networks: NetworkSource,
        vocabularies: Mapping[str, Vocabulary],
        clock: Callable[[], float],
    ) -> None:
        self._options = options
        self._networks = networks
        self._vocabularies = vocabularies
        self._clock = clock
        self.memory = CacheMemory(options.cache_limit_bytes, keeps_prefixes=options.keeps_prefixes)
        self.scheduler = Scheduler(
            self.memory, max_running=options.max_running, prefill_chunk=options.prefill_chunk
        )
        self._mean_seconds = 1.0

    @property
    def gauges(self) -> Gauges:
        """How the engine does."""
        return Gauges(
            num_running=len(self.scheduler.running),
            num_waiting=len(self.scheduler.waiting),
            cache_used_bytes=self.memory.used_bytes,
            resident=self._networks.resident,
        )

    def submit(self, submit: Submit) -> Refused | None:
        """Put a request in line, unless the line is full."""
        num_present = len(self.scheduler.running) + len(self.scheduler.waiting)
        if num_present >= self._options.max_running + self._options.max_waiting:
            reason = f"{num_present} requests are running or waiting already"
            retry_after = max(1.0, self._mean_seconds / self._options.max_running)
            return Refused(id=submit.id, kind="busy", reason=reason, retry_after=retry_after)
        vocabulary = self._vocabularies[submit.variant.model]
        leader = Sequence(submit, 0, vocabulary)
        others = (Sequence(submit, index, vocabulary, leader) for index in range(1, submit.num_choices))
        self.scheduler.add((leader, *others))
        return None

    def abort(self, request_id: int) -> None:
        """Take out every choice of a request."""
        everything = (*self.scheduler.running, *self.scheduler.waiting)
        self.scheduler.remove([s for s in everything if s.request_id == request_id])

    def step(self) -> list[Event]:
        """Let one variant advance; empty when nothing can."""
        events: list[Event] = [*self._refuse_hopeless()]
        self.scheduler.admit(self._networks.find)
        step = self.scheduler.next_step()
        if step is None:
            return events
        network = self._networks.find(step.variant)
        assert network is not None, "what runs has a network"
        started = self._clock()
        for chunk in step.chunks:
            chunk.sequence.begin(started)
        scores = step.chunks[0].sequence.attributes
        mode = scoring.step if scores else mode_of(step.variant.decode, network)
        advances = mode(network, step.chunks, self._clock)
        deltas = self._emit(advances)
        return [*events, Emitted(deltas=deltas)] if deltas else events

    @property
    def is_idle(self) -> bool:
        """Whether a step would do nothing until something is submitted or a network is made."""
        waiting = self.scheduler.waiting
        return not self.scheduler.running and not any(self._networks.find(s.variant) for s in waiting)

    def _emit(self, advances: list[Advance]) -> tuple[tuple[int, Delta], ...]:
        now = self._clock()
        deltas: list[tuple[int, Delta]] = []
        for advance in advances:
            delta = _news(advance, now)
            if delta is not None:
                deltas.append((advance.sequence.request_id, delta))
            if advance.sequence.finish is not None:
                self.scheduler.remove([advance.sequence])
                # A running mean that follows the load: one answer in ten is forgotten.
                self._mean_seconds += 0.1 * (advance.sequence.service_seconds(now) - self._mean_seconds)
        return tuple(deltas)

    def _refuse_hopeless(self) -> list[Refused]:
        """Requests whose network failed, or that no emptied memory could hold."""
        refused: dict[int, Refused] = {}
        failures: dict[Variant, str | None] = {}
        for sequence in self.scheduler.waiting:
            if sequence.variant not in failures:
                failures[sequence.variant] = self._networks.failure(sequence.variant)
            refusal = self._refusal(sequence, failures[sequence.variant])
            if refusal is not None:
                refused[sequence.request_id] = refusal
        for request_id in refused:
            self.abort(request_id)
        return list(refused.values())

    def _refusal(self, sequence: Sequence, failure: str | None) -> Refused | None:
        if failure is not None:
            return Refused(id=sequence.request_id, kind="failed", reason=failure)
        network = self._networks.find(sequence.variant)
        if network is None:
            return None
        return why_hopeless(sequence, network, self.memory, self.scheduler.running)


def _news(advance: Advance, now: float) -> Delta | None:
    sequence = advance.sequence
    return sequence.judge(advance.scores, now) if advance.scores else sequence.advance(advance.tokens, now)
