"""Is a bad checkpoint refused with its file, the culprit and a remedy?"""

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from nemotron_backend.model.errors import (
    CheckpointError,
    MissingTensor,
    NotFinite,
    UnreadableFile,
    UnsupportedConfig,
    WrongShape,
)
from nemotron_backend.model.load import load_network

WEIGHTS = "model.safetensors"
Q = "model.layers.1.self_attn.q_proj.weight"


@pytest.fixture
def folder(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return copytree(tiny_checkpoint, tmp_path / "checkpoint")


def edit_config(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def edit_weights(folder: Path, **changes: torch.Tensor | None) -> None:
    weights = load_file(folder / WEIGHTS) | changes
    kept = {name: tensor for name, tensor in weights.items() if tensor is not None}
    save_file(kept, folder / WEIGHTS)


def refusal(folder: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        load_network(folder, "bf16")
    assert str(caught.value.file) in str(caught.value)
    assert caught.value.remedy in str(caught.value)
    return caught.value


def test_a_missing_tensor_is_named(folder: Path) -> None:
    edit_weights(folder, **{Q: None})
    error = refusal(folder)
    assert isinstance(error, MissingTensor)
    assert Q in str(error)


def test_a_tensor_of_another_shape_is_named_with_both_shapes(folder: Path) -> None:
    edit_weights(folder, **{Q: torch.zeros(64, 32)})
    error = refusal(folder)
    assert isinstance(error, WrongShape)
    assert f"{Q} is [64, 32], the config calls for [64, 64]" in str(error)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_tensor_that_is_not_finite_is_named(folder: Path, value: float) -> None:
    weight = torch.zeros(64, 64)
    weight[3, 4] = value
    edit_weights(folder, **{Q: weight})
    error = refusal(folder)
    assert isinstance(error, NotFinite)
    assert Q in str(error)


def test_a_config_that_contradicts_the_tensors_is_refused(folder: Path) -> None:
    edit_config(folder, intermediate_size=128)
    assert isinstance(refusal(folder), WrongShape)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.99])
def test_a_file_cut_short_is_refused(folder: Path, kept: float) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: int(kept * len(content))])
    error = refusal(folder)
    assert isinstance(error, UnreadableFile)
    assert error.file == folder / WEIGHTS


@pytest.mark.parametrize("name", ["config.json", WEIGHTS])
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    error = refusal(folder)
    assert isinstance(error, UnreadableFile)
    assert error.file == folder / name


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"model_type": "llama"}', '{"model_type": 3}', '{"vocab_size": 0}']
)
def test_a_config_that_is_no_config_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    assert isinstance(refusal(folder), UnreadableFile)


UNSUPPORTED: dict[str, dict[str, Any]] = {
    "model_type": {"model_type": "mamba"},
    "hidden_act": {"hidden_act": "gelu"},
    "biases": {"attention_bias": True},
    "query heads": {"num_attention_heads": 3, "num_key_value_heads": 2},
    "head_dim": {"head_dim": 15},
    "rope type": {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}},
    "incomplete": {"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4}},
}


@pytest.mark.parametrize(("said", "changes"), UNSUPPORTED.items(), ids=UNSUPPORTED)
def test_a_network_that_is_not_built_here_is_refused(
    folder: Path, said: str, changes: dict[str, Any]
) -> None:
    edit_config(folder, **changes)
    error = refusal(folder)
    assert isinstance(error, UnsupportedConfig)
    assert said in str(error)


@pytest.mark.parametrize("field", ["num_key_value_heads", "hidden_size", "num_hidden_layers", "vocab_size"])
def test_a_count_of_nothing_is_refused(folder: Path, field: str) -> None:
    edit_config(folder, **{field: 0})
    assert field in str(refusal(folder))


def test_weights_in_shards_are_read(folder: Path, tiny_checkpoint: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = sorted(weights)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, held in shards.items():
        save_file({name: weights[name] for name in held}, folder / file)
    index = {"weight_map": {name: file for file, held in shards.items() for name in held}}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    assert load_network(folder, "bf16").num_bytes == load_network(tiny_checkpoint, "bf16").num_bytes
    (folder / "b.safetensors").unlink()
    assert isinstance(refusal(folder), UnreadableFile)


def test_the_rope_of_older_releases_is_read(folder: Path) -> None:
    from nemotron_backend.model.config import read_config

    config = json.loads((folder / "config.json").read_text())
    config.pop("rope_parameters")
    config |= {"rope_theta": 77.0, "rope_scaling": None}
    (folder / "config.json").write_text(json.dumps(config))
    assert read_config(folder).rope_theta == 77.0
