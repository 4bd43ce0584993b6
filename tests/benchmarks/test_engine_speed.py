"""How fast is the bare embedded engine on the real SmolLM2?"""

import asyncio
import platform
import statistics
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from nemotron_backend.embedded.engine import EmbeddedEngine
from nemotron_backend.embedded.options import EmbeddedOptions, ModelOptions
from nemotron_backend.request import (
    GREEDY,
    Delta,
    GenerationRequest,
    Stopping,
    TokenIds,
    Usage,
    Variant,
)

pytestmark = pytest.mark.benchmark

_NUM_TOKENS = 64
_ROUNDS = 3


def _request(variant: Variant, first_token: int, num_prompt: int, max_tokens: int) -> GenerationRequest:
    """Prompts that begin differently, so that none reuses another's cache."""
    prompt = TokenIds(token_ids=tuple((first_token + place) % 40000 + 100 for place in range(num_prompt)))
    return GenerationRequest(
        id="benchmark",
        variant=variant,
        prompt=prompt,
        sampling=GREEDY,
        stopping=Stopping(max_tokens=max_tokens, strings=(), token_ids=(), ignore_eos=True),
        num_choices=1,
        num_top_logprobs=None,
        trace=False,
    )


class Bench:
    """A running engine, and prompts that are new each time."""

    def __init__(self, engine: EmbeddedEngine) -> None:
        self._engine = engine
        self._first_token = 0

    def stream(self, num_prompt: int, max_tokens: int = _NUM_TOKENS) -> AsyncGenerator[Delta, None]:
        self._first_token += 37
        variant = self._engine.variants()[0]
        return self._engine.stream(_request(variant, self._first_token, num_prompt, max_tokens))

    async def usage(self, num_prompt: int, max_tokens: int = _NUM_TOKENS) -> Usage:
        async with aclosing(self.stream(num_prompt, max_tokens)) as deltas:
            *_, last = [delta async for delta in deltas]
        assert last.usage is not None
        return last.usage

    async def first_token_milliseconds(self, num_prompt: int) -> float:
        """Median over rounds."""
        usages = [await self.usage(num_prompt, max_tokens=1) for _ in range(_ROUNDS)]
        return statistics.median(usage.first_token_milliseconds for usage in usages)

    async def total_rate(self, num_streams: int) -> float:
        """Tokens per second of all streams together, from the first start to the last end."""
        started = time.perf_counter()
        usages = await asyncio.gather(*(self.usage(16) for _ in range(num_streams)))
        return sum(usage.completion_tokens for usage in usages) / (time.perf_counter() - started)

    async def abort_milliseconds(self, num_prompt: int, *, pause: float) -> float:
        """From leaving the stream, `pause` seconds after it began to run, until nothing runs."""
        reader = asyncio.create_task(self.usage(num_prompt, max_tokens=1000))
        while not self._engine.status().num_running:
            await self._engine.changed()
        await asyncio.sleep(pause)
        started = time.perf_counter()
        reader.cancel()
        await asyncio.wait([reader])
        while self._engine.status().num_running:
            await self._engine.changed()
        return 1000 * (time.perf_counter() - started)


async def test_speed_of_the_bare_engine(smollm2_checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = EmbeddedEngine(EmbeddedOptions(models=(ModelOptions(checkpoint=str(smollm2_checkpoint)),)))
    started = time.perf_counter()
    engine.start()
    while engine.status().state == "starting":
        await engine.changed()
    rows = [("start until ready", f"{time.perf_counter() - started:.1f} s")]
    try:
        rows += await _measure(Bench(engine))
    finally:
        await engine.aclose()
    with capsys.disabled():
        print(_table(rows))


async def _measure(bench: Bench) -> list[tuple[str, str]]:
    await bench.total_rate(8)
    one = statistics.median([await bench.total_rate(1) for _ in range(_ROUNDS)])
    eight = statistics.median([await bench.total_rate(8) for _ in range(_ROUNDS)])
    short = await bench.first_token_milliseconds(32)
    long = await bench.first_token_milliseconds(512)
    # Pauses that fall anywhere in a step.
    pauses = [0.2 + 0.013 * number for number in range(10)]
    decode = [await bench.abort_milliseconds(16, pause=pause) for pause in pauses]
    prefill = [await bench.abort_milliseconds(4000, pause=pause) for pause in pauses]
    return [
        ("1 stream, tokens per second", f"{one:.1f}"),
        ("8 streams, tokens per second together", f"{eight:.1f}"),
        ("8 streams over 1 stream", f"{eight / one:.2f}"),
        ("first token, prompt of 32 tokens", f"{short:.0f} ms"),
        ("first token, prompt of 512 tokens", f"{long:.0f} ms"),
        ("abort to free while decoding, median and worst", _spread(decode)),
        ("abort to free during a prefill, median and worst", _spread(prefill)),
    ]


def _spread(milliseconds: list[float]) -> str:
    return f"{statistics.median(milliseconds):.0f} ms, {max(milliseconds):.0f} ms"


def _table(rows: list[tuple[str, str]]) -> str:
    machine = f"{_processor()}, {platform.system()}, Python {platform.python_version()}"
    lines = [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(["", "", f"| bare engine, bf16, {machine} | |", "| --- | --- |", *lines])


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.machine()
