"""Do several models in one process come up, answer and fail each by itself?"""

import json
import os
import shutil
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nemotron_backend.embedded.engine import EmbeddedEngine
from nemotron_backend.embedded.options import EmbeddedOptions, ModelOptions
from nemotron_backend.engine import EngineFailed, EngineStarting, EngineState, InvalidRequest
from nemotron_backend.model.quantize import quantize
from nemotron_backend.request import (
    GREEDY,
    Conversation,
    Delta,
    GenerationRequest,
    Message,
    Stopping,
    Text,
    Thinking,
    Variant,
)

_SIZES: dict[str, dict[str, int]] = {"large": {}, "small": {"hidden_size": 48, "mamba_num_heads": 4}}
_HYBRID = Variant(model="hybrid", size="large", precision="bf16", decode="autoregressive")
_LLAMA = replace(_HYBRID, model="llama", size="full")


@pytest.fixture
def hybrid(save_hybrid: Callable[..., Path], tiny_checkpoint: Path) -> ModelOptions:
    """A random elastic hybrid with the tokenizer and template of the tiny Llama."""
    folder = save_hybrid(vocab_size=320, hidden_size=64, elastic_sizes=_SIZES)
    _add_tokenizer(folder, tiny_checkpoint)
    return ModelOptions(model="hybrid", checkpoint=str(folder), sizes=tuple(_SIZES))


def _add_tokenizer(folder: Path, origin: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(origin / name, folder)


@pytest.fixture
def llama(tiny_checkpoint: Path) -> ModelOptions:
    return ModelOptions(model="llama", checkpoint=str(tiny_checkpoint))


@asynccontextmanager
async def _engine(*models: ModelOptions, **changes: Any) -> AsyncGenerator[EmbeddedEngine, None]:
    engine = EmbeddedEngine(EmbeddedOptions(models=models, num_threads=1, **changes))
    engine.start()
    try:
        yield engine
    finally:
        await engine.aclose()


def _states(engine: EmbeddedEngine) -> dict[str, EngineState]:
    return {model.model: model.state for model in engine.status().models}


async def _settle(engine: EmbeddedEngine) -> None:
    while "starting" in _states(engine).values():
        await engine.changed()


def _request(variant: Variant, **changes: Any) -> GenerationRequest:
    request = GenerationRequest(
        id="test",
        variant=variant,
        prompt=Conversation(messages=(Message(role="user", content="the lazy dog"),)),
        sampling=GREEDY,
        stopping=Stopping(max_tokens=16, strings=(), token_ids=(), ignore_eos=True),
        num_choices=1,
        num_top_logprobs=None,
        trace=False,
    )
    return replace(request, **changes)


async def _answer(engine: EmbeddedEngine, request: GenerationRequest) -> list[Delta]:
    async with aclosing(engine.stream(request)) as deltas:
        return [delta async for delta in deltas]


def _ids(deltas: list[Delta]) -> list[int]:
    return [token.id for delta in deltas for token in delta.tokens]


async def test_two_models_answer_from_one_process_in_all_their_variants(
    hybrid: ModelOptions, llama: ModelOptions
) -> None:
    async with _engine(llama, hybrid) as engine:
        await _settle(engine)
        assert _states(engine) == {"llama": "ready", "hybrid": "ready"}
        assert [str(variant) for variant in engine.variants()] == [
            *(f"llama:full:{precision}:autoregressive" for precision in ("bf16", "fp8", "nvfp4")),
            *(
                f"hybrid:{size}:{precision}:autoregressive"
                for size in ("large", "small")
                for precision in ("bf16", "fp8", "nvfp4")
            ),
        ]
        answers = [tuple(_ids(await _answer(engine, _request(v)))) for v in engine.variants()]
        assert len(set(answers)) > 6
        assert await engine.tokenize("hybrid", Text(text="dog")) == await engine.tokenize(
            "llama", Text(text="dog")
        )


async def test_a_model_that_fails_does_not_take_the_others_down(
    hybrid: ModelOptions, llama: ModelOptions
) -> None:
    broken = replace(llama, model="broken", checkpoint=f"{llama.checkpoint}/nowhere")
    async with _engine(broken, hybrid) as engine:
        await _settle(engine)
        status = engine.status()
        assert status.state == "ready"
        assert _states(engine) == {"broken": "failed", "hybrid": "ready"}
        assert "nowhere is not a folder" in status.progress
        assert _ids(await _answer(engine, _request(_HYBRID)))
        with pytest.raises(EngineFailed, match="nowhere"):
            await _answer(engine, _request(replace(_LLAMA, model="broken")))


async def test_what_is_here_answers_while_another_model_is_still_prepared(
    hybrid: ModelOptions, tmp_path: Path
) -> None:
    # Another process holds the lock of the preparation, so that it waits.
    from filelock import FileLock

    with FileLock(tmp_path / ".smollm2-135m-instruct.lock"):
        async with _engine(ModelOptions(), hybrid, cache_folder=str(tmp_path)) as engine:
            while _states(engine)["hybrid"] == "starting":
                await engine.changed()
            assert _ids(await _answer(engine, _request(_HYBRID)))
            assert engine.status().state == "ready"
            assert engine.status().progress == "smollm2-135m-instruct: waiting to be loaded"
            with pytest.raises(EngineStarting, match="smollm2-135m-instruct: waiting"):
                await _answer(engine, _request(replace(_LLAMA, model="smollm2-135m-instruct")))


async def test_after_a_crash_every_model_answers_as_before(hybrid: ModelOptions, llama: ModelOptions) -> None:
    small = replace(_HYBRID, size="small", precision="nvfp4")
    async with _engine(llama, hybrid) as engine:
        await _settle(engine)
        before = [_ids(await _answer(engine, _request(v))) for v in (_LLAMA, small)]
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        while engine.status().state != "starting":
            await engine.changed()
        await _settle(engine)
        assert [_ids(await _answer(engine, _request(v))) for v in (_LLAMA, small)] == before


async def test_a_second_turn_of_a_hybrid_is_cached_and_exact(hybrid: ModelOptions) -> None:
    question = Message(role="user", content="the quick brown fox jumps over the lazy dog")
    async with _engine(hybrid) as engine:
        await _settle(engine)
        first = await _answer(engine, _request(_HYBRID, prompt=Conversation(messages=(question,))))
        said = Message(role="assistant", content="".join(delta.text for delta in first))
        turn = _request(_HYBRID, prompt=Conversation(messages=(question, said, question)))
        second = await _answer(engine, turn)
        usage = second[-1].usage
        assert usage is not None
        num_first = len(await engine.tokenize("hybrid", Conversation(messages=(question,))))
        # At least to the end of the question; the header of an answer follows it.
        assert num_first - 10 <= usage.cached_tokens < usage.prompt_tokens
    async with _engine(hybrid, keeps_prefixes=False) as engine:
        await _settle(engine)
        assert _ids(await _answer(engine, turn)) == _ids(second)


async def test_a_state_of_another_shape_is_refused_by_the_field_s_name(hybrid: ModelOptions) -> None:
    async with _engine(hybrid) as engine:
        await _settle(engine)
        await _answer(engine, _request(_HYBRID))
        request = _request(replace(_HYBRID, size="small"), thinking=Thinking(handover="state"))
        with pytest.raises(InvalidRequest, match="small cannot go on from the state of size large") as caught:
            await _answer(engine, request)
        assert caught.value.field == "nvext.handover"


@pytest.mark.parametrize("layout", ["views", "packed"])
async def test_views_cost_no_memory_and_copies_are_counted(
    hybrid: ModelOptions, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMOTRON_KERNELS", "reference")  # native code has no need of copies
    async with _engine(hybrid, layout=layout) as engine:
        await _settle(engine)
        before = {(m.size, m.precision): m.num_bytes for m in engine.status().resident}
        await _answer(engine, _request(replace(_HYBRID, size="small")))
        after = {(m.size, m.precision): m.num_bytes for m in engine.status().resident}
    assert before.keys() == {("", ""), ("large", "bf16")}
    assert after.keys() == {*before, ("small", "bf16")}
    assert after["", ""] == before["", ""] > 0
    sizes = [after[size, "bf16"] for size in ("large", "small")]
    assert sizes == [0, 0] if layout == "views" else sizes[0] > sizes[1] > 0


async def test_a_quantised_checkpoint_serves_its_precision_alone(
    hybrid: ModelOptions, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "fp8"
    quantize(Path(hybrid.checkpoint), "fp8", out, lambda done, total: None)
    _add_tokenizer(out, tiny_checkpoint)
    async with _engine(hybrid) as engine:
        await _settle(engine)
        rounded = _ids(await _answer(engine, _request(replace(_HYBRID, precision="fp8"))))
    async with _engine(replace(hybrid, checkpoint=str(out))) as engine:
        assert len(engine.variants()) == 6  # what is expected, before the checkpoint is open
        await _settle(engine)
        assert {variant.precision for variant in engine.variants()} == {"fp8"}
        assert _ids(await _answer(engine, _request(engine.variants()[0]))) == rounded


def _edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"vocab_size": 321}, r"model\.safetensors: tensor backbone\.embeddings\.weight is \[320, 64\]"),
        ({"hybrid_override_pattern": "ME*M-"}, r"model\.safetensors: tensor .* has no place in the network"),
        (
            {"elastic_sizes": {"large": {}, "small": {"hidden_size": 65}}},
            r"config\.json: elastic size 'small'",
        ),
        ({"elastic_sizes": {"big": {}}}, r"config\.json: the checkpoint has the sizes big, none of large"),
    ],
    ids=["wrong shape", "other layers", "off the grid", "not the catalog's sizes"],
)
async def test_a_bad_checkpoint_fails_the_start_with_file_and_remedy(
    hybrid: ModelOptions, changes: dict[str, Any], reason: str
) -> None:
    folder = Path(hybrid.checkpoint)
    if "hybrid_override_pattern" in changes:
        changes = {"layers_block_type": None, "layer_types": None, "num_hidden_layers": None} | changes
    _edit_config(folder, **changes)
    async with _engine(hybrid) as engine:
        await _settle(engine)
        assert engine.status().state == "failed"
        with pytest.raises(EngineFailed, match=rf"hybrid cannot be loaded: .*{reason}.*\. [A-Z]"):
            await _answer(engine, _request(_HYBRID))
