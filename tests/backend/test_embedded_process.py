"""What happens when the engine's process starts badly, dies, or is left alone?"""

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from nemotron_backend.embedded.engine import EmbeddedEngine
from nemotron_backend.embedded.options import EmbeddedOptions, ModelOptions
from nemotron_backend.engine import EngineFailed, EngineStarting, InvalidRequest
from nemotron_backend.request import (
    GREEDY,
    Conversation,
    Delta,
    GenerationRequest,
    Message,
    Stopping,
    Text,
)


@asynccontextmanager
async def _engine(checkpoint: Path, **changes: object) -> AsyncGenerator[EmbeddedEngine, None]:
    options = EmbeddedOptions(models=(ModelOptions(checkpoint=str(checkpoint)),), num_threads=1)
    engine = EmbeddedEngine(replace(options, **changes))  # type: ignore[arg-type]
    engine.start()
    try:
        yield engine
    finally:
        await engine.aclose()


async def _leave_start(engine: EmbeddedEngine) -> None:
    while engine.status().state == "starting":
        await engine.changed()


def _request(engine: EmbeddedEngine, **changes: object) -> GenerationRequest:
    request = GenerationRequest(
        id="test",
        variant=engine.variants()[0],
        prompt=Conversation(messages=(Message(role="user", content="the lazy dog"),)),
        sampling=GREEDY,
        stopping=Stopping(max_tokens=40, strings=(), token_ids=(), ignore_eos=True),
        num_choices=1,
        num_top_logprobs=None,
        trace=False,
    )
    return replace(request, **changes)  # type: ignore[arg-type]


async def _answer(engine: EmbeddedEngine, request: GenerationRequest) -> list[Delta]:
    async with aclosing(engine.stream(request)) as deltas:
        return [delta async for delta in deltas]


def _ids(deltas: list[Delta]) -> list[int]:
    return [token.id for delta in deltas for token in delta.tokens]


def _kill(engine: EmbeddedEngine) -> None:
    pid = engine.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


async def test_a_killed_process_fails_its_requests_and_the_next_ones_are_served(
    tiny_checkpoint: Path,
) -> None:
    async with _engine(tiny_checkpoint) as engine:
        await _leave_start(engine)
        before = _ids(await _answer(engine, _request(engine)))
        streams = [engine.stream(_request(engine)) for _ in range(3)]
        for stream in streams:
            await anext(stream)
        _kill(engine)
        for stream in streams:
            with pytest.raises(EngineFailed, match="SIGKILL"):
                async for _ in stream:
                    pass
        assert engine.status().state == "starting"
        with pytest.raises(EngineStarting, match="starts again"):
            await _answer(engine, _request(engine))
        await _leave_start(engine)
        assert _ids(await _answer(engine, _request(engine))) == before


async def test_a_process_that_keeps_dying_at_its_start_is_given_up(tiny_checkpoint: Path) -> None:
    pauses: list[float] = []

    async def no_pause(seconds: float) -> None:
        pauses.append(seconds)

    options = EmbeddedOptions(models=(ModelOptions(checkpoint=str(tiny_checkpoint)),), num_threads=1)
    engine = EmbeddedEngine(options, sleep=no_pause)
    engine.start()
    killed = set()
    while engine.status().state == "starting":
        if engine.pid is not None and engine.pid not in killed:
            killed.add(engine.pid)
            _kill(engine)
        await engine.changed()
    assert engine.status().state == "failed"
    assert len(killed) == 3
    assert pauses == sorted(pauses)
    await engine.aclose()


async def test_a_missing_checkpoint_fails_the_start_with_its_reason(tmp_path: Path) -> None:
    async with _engine(tmp_path / "nowhere") as engine:
        await _leave_start(engine)
        assert engine.status().state == "failed"
        assert "nowhere" in engine.status().progress
        while engine.pid is not None:
            await engine.changed()
        with pytest.raises(EngineFailed, match="nowhere"):
            await _answer(engine, _request(engine))


async def test_requests_before_the_start_are_told_so(tiny_checkpoint: Path) -> None:
    async with _engine(tiny_checkpoint) as engine:
        assert engine.status().state == "starting"
        with pytest.raises(EngineStarting):
            await _answer(engine, _request(engine))
        with pytest.raises(EngineStarting):
            await engine.tokenize(engine.variants()[0].model, Text(text="x"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tiny_checkpoint: Path) -> AsyncGenerator[EmbeddedEngine, None]:
    async with _engine(tiny_checkpoint) as engine:
        await _leave_start(engine)
        yield engine


@pytest.mark.asyncio(loop_scope="module")
async def test_another_precision_is_made_on_demand_and_its_memory_is_shown(engine: EmbeddedEngine) -> None:
    assert [model.precision for model in engine.status().resident] == ["", "bf16"]
    answers = {}
    for variant in engine.variants():
        answers[variant.precision] = _ids(await _answer(engine, _request(engine, variant=variant)))
    resident = {model.precision: model.num_bytes for model in engine.status().resident}
    assert resident.keys() == {"", "bf16", "fp8", "nvfp4"}
    assert all(resident.values())
    # Random weights are far apart enough that four bits change what is said.
    assert answers["nvfp4"] != answers["bf16"]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_role_that_the_template_refuses_is_an_invalid_request(engine: EmbeddedEngine) -> None:
    prompt = Conversation(messages=(Message(role="tool", content="x"),))
    with pytest.raises(InvalidRequest, match="knows no tools") as caught:
        await _answer(engine, _request(engine, prompt=prompt))
    assert caught.value.field == "messages"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"prompt": Text(text="\ud800")}, "prompt"),
        ({"sampling": replace(GREEDY, logit_bias=((320, 1.0),))}, "logit_bias"),
        (
            {"stopping": Stopping(max_tokens=0, strings=(), token_ids=(), ignore_eos=False)},
            "max_tokens",
        ),
    ],
    ids=["lone surrogate", "bias outside the vocabulary", "no tokens"],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_what_cannot_be_served_names_its_field(
    engine: EmbeddedEngine, changes: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await _answer(engine, _request(engine, **changes))
    assert caught.value.field == field


@pytest.mark.asyncio(loop_scope="module")
async def test_a_huge_prompt_does_not_stop_other_answers(engine: EmbeddedEngine) -> None:
    huge = asyncio.create_task(_answer(engine, _request(engine, prompt=Text(text="dog " * 250_000))))
    await _answer(engine, _request(engine))
    assert not huge.done()
    with pytest.raises(InvalidRequest, match="maximum context length is 256 tokens"):
        await huge


_PARENT = """
import asyncio, sys
from nemotron_backend.embedded.engine import EmbeddedEngine
from nemotron_backend.embedded.options import EmbeddedOptions, ModelOptions

async def main():
    models = (ModelOptions(checkpoint=sys.argv[1]),)
    engine = EmbeddedEngine(EmbeddedOptions(models=models, num_threads=1))
    engine.start()
    while engine.status().state == "starting":
        await engine.changed()
    print(engine.pid, "torch" in sys.modules, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_the_process_dies_with_its_gateway_which_never_loads_torch(tiny_checkpoint: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", _PARENT, str(tiny_checkpoint)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as gateway:
        assert gateway.stdout is not None
        pid, has_torch = gateway.stdout.readline().split()
        engine = os.pidfd_open(int(pid))
        gateway.kill()
    ended, _, _ = select.select([engine], [], [], 10)
    os.close(engine)
    assert ended, "the engine's process outlived its gateway by ten seconds"
    assert has_torch == "False"
