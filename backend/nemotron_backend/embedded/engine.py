"""How does the gateway talk to the embedded engine?"""

import asyncio
import time
from collections.abc import AsyncGenerator
from pathlib import Path

from nemotron_backend.embedded.answers import Answers, error_of
from nemotron_backend.embedded.checks import check_request
from nemotron_backend.embedded.messages import (
    Abort,
    Emitted,
    FromWorker,
    Gauges,
    LoadFailed,
    Progress,
    Ready,
    Refused,
    StartFailed,
    Submit,
)
from nemotron_backend.embedded.options import EmbeddedOptions
from nemotron_backend.embedded.roster import Roster, ServedModel
from nemotron_backend.embedded.supervisor import Sleep, Supervisor
from nemotron_backend.embedded.tokenization import Tokenization
from nemotron_backend.engine import EngineState, EngineStatus, UnknownVariant
from nemotron_backend.request import Delta, GenerationRequest, Prompt, Variant
from nemotron_backend.templates import built_in

_IDLE = Gauges(num_running=0, num_waiting=0, cache_used_bytes=0, resident=())


class EmbeddedEngine:
    """Serves checkpoints from one process of its own. `start` returns at once, `status` tells the rest."""

    def __init__(self, options: EmbeddedOptions, *, sleep: Sleep = asyncio.sleep) -> None:
        self._options = options
        self._supervisor = Supervisor(options, self, sleep=sleep)
        self._answers = Answers()
        self._roster = Roster(options.models, "starting the engine process")
        self._gauges = _IDLE
        self._changed = asyncio.Event()

    def start(self) -> None:
        """Start the process; needs a running event loop."""
        self._supervisor.start()

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        arrived = time.monotonic()
        submit = await self._prepare(request, arrived)
        unfinished = request.num_choices
        self._supervisor.send(submit)
        try:
            while unfinished:
                delta = await self._answers.next(submit.id)
                unfinished -= delta.finish is not None
                yield delta
        finally:
            self._answers.close(submit.id)
            if unfinished:
                self._supervisor.send(Abort(id=submit.id))

    async def tokenize(self, model: str, prompt: Prompt) -> tuple[int, ...]:
        return await asyncio.to_thread(self._tokenization_of(model).encode, prompt)

    async def detokenize(self, model: str, token_ids: tuple[int, ...]) -> str:
        return await asyncio.to_thread(self._tokenization_of(model).decode, token_ids)

    def variants(self) -> tuple[Variant, ...]:
        return self._roster.variants

    def status(self) -> EngineStatus:
        return EngineStatus(
            name="embedded",
            state=self._roster.state,
            progress=self._roster.progress,
            num_running=self._gauges.num_running,
            num_waiting=self._gauges.num_waiting,
            cache_used_bytes=self._gauges.cache_used_bytes,
            cache_limit_bytes=self._options.cache_limit_bytes,
            resident=self._gauges.resident,
            models=self._roster.models,
        )

    async def changed(self) -> EngineStatus:
        """The status once something in it is new."""
        self._changed.clear()
        await self._changed.wait()
        return self.status()

    @property
    def pid(self) -> int | None:
        """The process's id while there is one."""
        return self._supervisor.pid

    async def aclose(self) -> None:
        await self._supervisor.aclose()
        self._end("failed", "the engine is closed")

    def on_begin(self) -> None:
        """A process runs, and will say how far it is."""
        self._changed.set()

    async def on_message(self, message: FromWorker) -> None:
        """Take what the process says."""
        match message:
            case Emitted(deltas=deltas):
                for request_id, delta in deltas:
                    self._answers.put(request_id, delta)
            case Refused():
                self._answers.put(message.id, error_of(message))
            case Gauges():
                self._gauges = message
            case Progress(model=model, sentence=sentence):
                self._roster.report(model, sentence)
            case Ready():
                await self._serve(message)
            case LoadFailed(model=model, reason=reason):
                self._roster.fail(model, reason)
            case StartFailed():
                pass  # its end follows, and `on_failure` with this reason
        self._changed.set()

    def on_end(self, how: str) -> None:
        """The process died, and starts again."""
        self._end("starting", f"the engine process ended ({how}) and starts again")

    def on_failure(self, reason: str) -> None:
        """The process cannot start."""
        self._end("failed", reason)

    def _end(self, state: EngineState, progress: str) -> None:
        self._roster.end(state, progress)
        self._gauges = _IDLE
        self._answers.fail_all(progress)
        self._changed.set()

    async def _serve(self, ready: Ready) -> None:
        name = next(options.template for options in self._options.models if options.model == ready.model)
        fallback = built_in(name) if name else ""
        tokenization = await asyncio.to_thread(Tokenization.read, Path(ready.folder), fallback)
        self._roster.serve(ServedModel(ready=ready, tokenization=tokenization))

    async def _prepare(self, request: GenerationRequest, arrived: float) -> Submit:
        """The request as the process takes it. Raises EngineError."""
        if request.variant not in self.variants():
            raise UnknownVariant(f"the embedded engine does not serve {request.variant}")
        token_ids = await self.tokenize(request.variant.model, request.prompt)
        # Tokenising took a while: the process may have gone meanwhile.
        ready = self._roster.served(request.variant.model).ready
        check_request(request, len(token_ids), ready)
        return Submit(
            id=self._answers.open(),
            variant=request.variant,
            token_ids=token_ids,
            sampling=request.sampling,
            stopping=request.stopping,
            num_choices=request.num_choices,
            num_top_logprobs=request.num_top_logprobs,
            trace=request.trace,
            arrived=arrived,
            decoding=request.decoding,
            canvas=request.canvas,
            handover=request.thinking.handover,
            attributes=ready.attributes,
        )

    def _tokenization_of(self, model: str) -> Tokenization:
        if model not in self._roster:
            raise UnknownVariant(f"the embedded engine does not serve {model}")
        return self._roster.tokenization(model)
