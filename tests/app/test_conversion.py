"""Do `extract` and `quantize` write what they say, and refuse in one line?"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nemotron_app.__main__ import main

SHAPE: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "hybrid_override_pattern": "ME*-",
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "intermediate_size": 32,
    "mamba_num_heads": 4,
    "mamba_head_dim": 16,
    "n_groups": 2,
    "ssm_state_size": 8,
    "chunk_size": 8,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
    "moe_shared_expert_intermediate_size": 32,
    "elastic_sizes": {"large": {}, "small": {"hidden_size": 16, "n_routed_experts": 2}},
}
BESIDE = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")
SERVE = "nemotron-playground serve --checkpoint"


@pytest.fixture(scope="session")
def hybrid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random elastic checkpoint with the files that stand beside the weights."""
    import torch
    from transformers import NemotronHConfig, NemotronHForCausalLM

    folder = tmp_path_factory.mktemp("hybrid")
    model: Any = NemotronHForCausalLM(NemotronHConfig(**SHAPE))
    model.to(torch.bfloat16).save_pretrained(folder)
    for name in BESIDE:
        (folder / name).write_text(json.dumps({"of": name}))
    (folder / "state.pt").write_bytes(b"what training left behind")
    return folder


def refusal(capsys: pytest.CaptureFixture[str], arguments: Sequence[str]) -> str:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("nemotron-playground: ")
    assert err.count("\n") == 1
    return err


def test_an_extract_is_served_by_transformers_too(
    hybrid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from transformers import NemotronHForCausalLM

    out = tmp_path / "small"
    assert main(["extract", str(hybrid), "--size", "small", "--out", str(out)]) == 0
    assert f"{out}: 6 files, " in (told := capsys.readouterr().out)
    assert f"{SERVE} {out}" in told
    model: Any = NemotronHForCausalLM.from_pretrained(out)
    assert model.config.hidden_size == 16
    with torch.no_grad():
        assert model(torch.tensor([[3, 1, 4]])).logits.shape == (1, 3, 64)


@pytest.mark.parametrize("command", [("extract", "--size", "small"), ("quantize", "--precision", "fp8")])
def test_what_stands_beside_the_weights_travels_and_what_training_left_does_not(
    hybrid: Path, tmp_path: Path, command: tuple[str, str, str]
) -> None:
    out = tmp_path / "out"
    name, flag, value = command
    assert main([name, str(hybrid), flag, value, "--out", str(out)]) == 0
    assert {beside: (out / beside).read_text() for beside in BESIDE} == {
        beside: (hybrid / beside).read_text() for beside in BESIDE
    }
    assert not (out / "state.pt").exists()


@pytest.mark.parametrize("precision", ["fp8", "nvfp4"])
def test_a_quantised_checkpoint_is_opened_in_its_precision(
    hybrid: Path, tmp_path: Path, precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from nemotron_backend.model.nemotron_h_checkpoint import NemotronHCheckpoint

    out = tmp_path / "out"
    assert main(["quantize", str(hybrid), "--precision", precision, "--out", str(out)]) == 0
    assert f"{SERVE} {out}" in capsys.readouterr().out
    opened = NemotronHCheckpoint.open(out)
    assert opened.precisions == (precision,)
    assert set(opened.sizes) == {"large", "small"}


def test_nothing_is_overwritten(hybrid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    for command in (["extract", "--size", "small"], ["quantize", "--precision", "fp8"]):
        arguments = [command[0], str(hybrid), *command[1:], "--out", str(tmp_path)]
        assert f"{tmp_path} is not an empty folder" in refusal(capsys, arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_unknown_size_is_refused_with_the_known_ones(
    hybrid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["extract", str(hybrid), "--size", "12b", "--out", str(tmp_path / "out")]
    assert "has the sizes large, small, not '12b'" in refusal(capsys, arguments)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing, out = tmp_path / "missing", tmp_path / "out"
    arguments = ["quantize", str(missing), "--precision", "fp8", "--out", str(out)]
    assert str(missing / "config.json") in refusal(capsys, arguments)
    assert not out.exists()


@pytest.mark.parametrize("found", ["llama", "nemotron_labs_diffusion"])
def test_a_model_that_is_rounded_when_it_is_served_is_not_quantised(
    tmp_path: Path, found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": found}))
    arguments = ["quantize", str(tmp_path), "--precision", "fp8", "--out", str(tmp_path / "out")]
    told = refusal(capsys, arguments)
    assert f"model_type is '{found}', and only 'nemotron_h' can be converted" in told
    assert "Serve the folder as it is" in told
