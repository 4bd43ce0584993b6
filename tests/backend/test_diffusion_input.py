"""What becomes of settings that no block can be filled in with?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from nemotron_backend.embedded.checks import check_request
from nemotron_backend.embedded.messages import Ready
from nemotron_backend.engine import InvalidRequest
from nemotron_backend.model.nemotron_labs_diffusion import open_checkpoint
from nemotron_backend.request import (
    DECODES,
    GREEDY,
    Decode,
    Decoding,
    GenerationRequest,
    Stopping,
    TokenIds,
    Variant,
)

MakeCore = Callable[..., Any]


def _check(decoding: Decoding) -> None:
    request = GenerationRequest(
        id="test",
        variant=Variant(model="tri", size="full", precision="bf16", decode="diffusion"),
        prompt=TokenIds(token_ids=(7, 8)),
        sampling=GREEDY,
        stopping=Stopping(max_tokens=8, strings=(), token_ids=(), ignore_eos=True),
        num_choices=1,
        num_top_logprobs=None,
        trace=False,
        decoding=decoding,
    )
    ready = Ready(model="tri", variants=(request.variant,), folder="", context=64, vocab_size=24)
    check_request(request, 2, ready)


@pytest.mark.parametrize(
    ("decoding", "field"),
    [
        (Decoding(block_length=4096), "nvext.block_length"),
        (Decoding(block_length=-1), "nvext.block_length"),
        (Decoding(threshold=-0.1), "nvext.threshold"),
        (Decoding(threshold=1.1), "nvext.threshold"),
        (Decoding(threshold=float("nan")), "nvext.threshold"),
        (Decoding(num_steps=-1), "nvext.num_steps"),
        (Decoding(drafting="quadratic", threshold=0.5), "nvext.drafting"),
        (Decoding(drafting="quadratic", num_steps=4), "nvext.drafting"),
    ],
)
def test_a_setting_that_means_nothing_is_refused_and_named(decoding: Decoding, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        _check(decoding)
    assert refused.value.field == field
    assert str(refused.value).startswith(field)


@pytest.mark.parametrize("block_length", [0, 1, 7, 64])
@pytest.mark.parametrize("decode", DECODES)
def test_blocks_of_any_length_that_is_taken_give_whole_answers(
    mode_core: MakeCore, decode: Decode, block_length: int
) -> None:
    decoding = Decoding(block_length=block_length)
    _check(decoding)
    core = mode_core()
    run = core.answer([7, 8, 9], decode, decoding=decoding)
    assert len(run.ids) == 40
    if decode == "self-speculation" or block_length == 1:
        assert run.ids == core.answer([7, 8, 9], "autoregressive").ids


@pytest.mark.parametrize("decoding", [Decoding(block_length=8, threshold=0.5), Decoding(num_steps=3)])
def test_an_answer_that_is_begun_for_it_is_gone_on_with(mode_core: MakeCore, decoding: Decoding) -> None:
    """Thinking that is cut off by a budget goes on so: from token ids, with a block that begins there."""
    core, prompt = mode_core(), [7, 8, 9, 20, 21]
    begun = core.answer(prompt, "diffusion", decoding=decoding).ids[:13]
    forced = [*prompt, *begun, 12, 6]
    found = core.answer(forced, "diffusion", decoding=decoding)
    assert found.ids == mode_core().answer(forced, "diffusion", decoding=decoding).ids
    assert found.usage.cached_tokens >= len(prompt)


def _folder(tri_mode_folder: Path, tmp_path: Path, *, has_draft_adapter: bool) -> Path:
    config = json.loads((tri_mode_folder / "config.json").read_text("utf-8"))
    config["has_draft_adapter"] = has_draft_adapter
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    save_file(load_file(tri_mode_folder / "model.safetensors"), tmp_path / "model.safetensors")
    return tmp_path


@pytest.mark.parametrize("has_draft_adapter", [True, False])
def test_a_missing_adapter_is_told_with_the_answer_which_is_the_same(
    tri_mode: Any, tri_mode_folder: Path, tmp_path: Path, has_draft_adapter: bool, make_core: MakeCore
) -> None:
    folder = _folder(tri_mode_folder, tmp_path, has_draft_adapter=has_draft_adapter)
    case = type(tri_mode)(open_checkpoint(folder).network("full", "bf16"), tri_mode.trained)
    core = make_core(case)
    run = core.answer([7, 8, 9], "self-speculation", decoding=Decoding(block_length=4))
    assert run.ids == core.answer([7, 8, 9], "autoregressive").ids
    assert ("linear_spec_lora" in run.notice) == has_draft_adapter
    assert core.answer([7, 8, 9], "autoregressive").notice == ""
    assert core.answer([7, 8, 9], "diffusion").notice == ""
