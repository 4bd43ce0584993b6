"""Does a bad hybrid checkpoint name its file, its tensor and the remedy, and a good one of any age load?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nemotron_backend.model.errors import (
    CheckpointError,
    MissingTensor,
    NotFinite,
    UnknownTensor,
    UnreadableFile,
    WrongShape,
    WrongType,
)
from nemotron_backend.model.nemotron_h_checkpoint import NemotronHCheckpoint, UnavailablePrecision

IN = "backbone.layers.0.mixer.in_proj.weight"
UP = "backbone.layers.1.mixer.experts.3.up_proj.weight"
TOKENS = [5, 17, 3, 99, 0, 42]


def change(folder: Path, edit: Callable[[dict[str, Tensor]], Any]) -> None:
    """Rewrite the weights."""
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")


def load(folder: Path, precision: Any = "bf16") -> Any:
    return NemotronHCheckpoint.open(folder).network("full", precision)


@pytest.mark.parametrize(
    "name", [IN, UP, "lm_head.weight", "backbone.layers.1.mixer.gate.e_score_correction_bias"]
)
def test_a_missing_tensor_is_named(save_hybrid: Any, name: str) -> None:
    folder = save_hybrid()
    change(folder, lambda tensors: tensors.pop(name))
    with pytest.raises(MissingTensor, match=f"{folder}.*tensor {name} is missing.*same checkpoint"):
        NemotronHCheckpoint.open(folder)


def test_an_unknown_tensor_is_named(save_hybrid: Any) -> None:
    folder = save_hybrid()
    change(folder, lambda tensors: tensors.update({"backbone.layers.0.mixer.rope": torch.zeros(1)}))
    with pytest.raises(UnknownTensor, match=r"model\.safetensors: tensor backbone\.layers\.0\.mixer\.rope"):
        NemotronHCheckpoint.open(folder)


@pytest.mark.parametrize("name", [IN, UP, "backbone.norm_f.weight"])
def test_a_wrong_shape_gives_both_shapes(save_hybrid: Any, name: str) -> None:
    folder = save_hybrid()
    change(folder, lambda tensors: tensors.update({name: tensors[name][:-1].contiguous()}))
    with pytest.raises(
        WrongShape, match=rf"model\.safetensors: tensor {name} is \[.*the config calls for \["
    ):
        load(folder)


@pytest.mark.parametrize("name", [IN, UP, "backbone.embeddings.weight"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_found(save_hybrid: Any, name: str, value: float) -> None:
    folder = save_hybrid()
    change(folder, lambda tensors: tensors[name].view(-1)[-1:].fill_(value))
    with pytest.raises(NotFinite, match=rf"model\.safetensors: tensor {name} holds NaN or infinity"):
        load(folder)


@pytest.mark.parametrize("kept", [0, 7, 1000, -1])
def test_a_truncated_file_is_refused(save_hybrid: Any, kept: int) -> None:
    file = save_hybrid() / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(UnreadableFile, match="not a whole safetensors file"):
        NemotronHCheckpoint.open(file.parent)


def test_a_config_that_contradicts_the_weights_names_the_first_tensor(save_hybrid: Any) -> None:
    folder = save_hybrid()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))
    with pytest.raises(WrongShape, match=r"tensor backbone\.embeddings\.weight is \[101, 48\].*\[101, 64\]"):
        load(folder)


def test_weights_that_are_not_in_the_precision_named_are_refused(save_hybrid: Any) -> None:
    folder = save_hybrid()
    (folder / "hf_quant_config.json").write_text(json.dumps({"quantization": {"quant_algo": "FP8"}}))
    change(
        folder,
        lambda tensors: tensors.update(
            {
                f"{name[:-6]}weight_scale": torch.ones(())
                for name in list(tensors)
                if "proj" in name or "lm_head" in name
            }
        ),
    )
    with pytest.raises(
        WrongType, match=f"tensor {IN} is torch.bfloat16, the quantisation config calls for fp8"
    ):
        load(folder, "fp8")


def test_a_precision_that_the_weights_cannot_give_is_refused(save_hybrid: Any) -> None:
    folder = save_hybrid()
    (folder / "hf_quant_config.json").write_text(json.dumps({"quantization": {"quant_algo": "FP8"}}))
    with pytest.raises(UnavailablePrecision, match="gives fp8, not bf16"):
        load(folder, "bf16")


def test_every_error_names_a_remedy(save_hybrid: Any) -> None:
    folder = save_hybrid()
    change(folder, lambda tensors: tensors.pop(IN))
    with pytest.raises(CheckpointError) as caught:
        load(folder)
    assert caught.value.remedy
    assert str(caught.value).endswith(caught.value.remedy)


def test_multi_token_prediction_and_cache_scales_are_set_aside(save_hybrid: Any, run: Any) -> None:
    folder = save_hybrid()
    expected = run(load(folder), (TOKENS, load(folder).make_cache(6), 0))[0]
    change(
        folder,
        lambda tensors: tensors.update(
            {
                "mtp.layers.0.eh_proj.weight": torch.zeros(48, 96),
                "backbone.layers.2.mixer.k_proj.k_scale": torch.ones(()),
                "backbone.layers.2.mixer.v_proj.v_scale": torch.ones(()),
            }
        ),
    )
    network = load(folder)
    assert torch.equal(run(network, (TOKENS, network.make_cache(6), 0))[0], expected)


def test_the_older_name_of_the_embedding_is_read(save_hybrid: Any, run: Any) -> None:
    folder = save_hybrid()
    network = load(folder)
    expected = run(network, (TOKENS, network.make_cache(6), 0))[0]
    old, new = "backbone.embedding.weight", "backbone.embeddings.weight"
    change(folder, lambda tensors: tensors.update({old: tensors.pop(new)}))
    network = load(folder)
    assert torch.equal(run(network, (TOKENS, network.make_cache(6), 0))[0], expected)
