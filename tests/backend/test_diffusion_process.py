"""Does the engine's process serve all decode modes of a tri-mode checkpoint?"""

import json
import shutil
from contextlib import aclosing
from pathlib import Path

import pytest
from safetensors.torch import save_file

from nemotron_backend.embedded.engine import EmbeddedEngine
from nemotron_backend.embedded.options import EmbeddedOptions, ModelOptions
from nemotron_backend.request import (
    DECODES,
    Decode,
    Decoding,
    Delta,
    GenerationRequest,
    Sampling,
    Stopping,
    TokenIds,
    Variant,
)

_SAMPLING = Sampling(
    temperature=1.0,
    top_p=1.0,
    top_k=0,
    min_p=0.0,
    repetition_penalty=1.0,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    logit_bias=(),
    seed=3,
)


def _request(decode: Decode) -> GenerationRequest:
    return GenerationRequest(
        id="test",
        variant=Variant(model="tri-mode-4m", size="full", precision="bf16", decode=decode),
        prompt=TokenIds(token_ids=(7, 8, 9)),
        sampling=_SAMPLING,
        stopping=Stopping(max_tokens=20, strings=(), token_ids=(), ignore_eos=True),
        num_choices=1,
        num_top_logprobs=None,
        trace=True,
        decoding=Decoding(block_length=4, threshold=1.0 if decode == "diffusion" else 0.0),
        canvas=True,
    )


async def _answer(engine: EmbeddedEngine, decode: Decode) -> list[Delta]:
    async with aclosing(engine.stream(_request(decode))) as deltas:
        return [delta async for delta in deltas]


@pytest.fixture
def folder(tri_mode_folder: Path, tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """The random tri-mode network beside a tokenizer."""
    for origin in (tiny_checkpoint, tri_mode_folder):
        shutil.copytree(origin, tmp_path, dirs_exist_ok=True)
    return tmp_path


async def test_three_modes_answer_from_one_process_each_in_its_way(folder: Path) -> None:
    model = ModelOptions(model="tri-mode-4m", checkpoint=str(folder), precisions=("bf16",), decodes=DECODES)
    engine = EmbeddedEngine(EmbeddedOptions(models=(model,), num_threads=1))
    engine.start()
    try:
        while engine.status().state == "starting":
            await engine.changed()
        assert [variant.decode for variant in engine.variants()] == list(DECODES)
        answers = {decode: await _answer(engine, decode) for decode in DECODES}
    finally:
        await engine.aclose()
    kinds = {d: {f.kind for delta in answers[d] for f in delta.trace} - {"prefill"} for d in DECODES}
    # The last token but one of an answer leaves nothing to draft for.
    assert kinds["self-speculation"] - {"decode"} == {"draft", "verify"}
    assert kinds["diffusion"] == {"denoise", "commit"}
    assert kinds["autoregressive"] == {"decode"}
    ids = {d: [token.id for delta in answers[d] for token in delta.tokens] for d in DECODES}
    assert ids["self-speculation"] == ids["autoregressive"] != ids["diffusion"]
    assert len(ids["diffusion"]) == 20
    seen = {
        d: {token.state for delta in answers[d] if delta.canvas for token in delta.canvas.tokens}
        for d in DECODES
    }
    assert seen == {
        "autoregressive": set(),
        "diffusion": {"masked", "revealed"},
        "self-speculation": {"drafted"},
    }


async def test_an_adapter_without_its_tensors_fails_the_start_and_is_named(folder: Path) -> None:
    (folder / "linear_spec_lora").mkdir()
    config = {"r": 4, "lora_alpha": 8, "target_modules": ["o_proj"]}
    (folder / "linear_spec_lora" / "adapter_config.json").write_text(json.dumps(config), "utf-8")
    save_file({}, folder / "linear_spec_lora" / "adapter_model.safetensors")
    model = ModelOptions(model="tri-mode-4m", checkpoint=str(folder), decodes=DECODES)
    engine = EmbeddedEngine(EmbeddedOptions(models=(model,), num_threads=1))
    engine.start()
    try:
        while engine.status().state == "starting":
            await engine.changed()
        assert engine.status().state == "failed"
        assert "linear_spec_lora" in engine.status().progress
    finally:
        await engine.aclose()
