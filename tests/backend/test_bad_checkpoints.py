"""Is each fault of a checkpoint of any kind told with file, tensor and remedy, before it is served?"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_family import TINY
from torch import Tensor

from nemotron_backend.catalog import Catalog
from nemotron_backend.embedded.loading import StartError, load
from nemotron_backend.embedded.options import EmbeddedOptions, ModelOptions
from nemotron_backend.model.architecture import open_checkpoint
from nemotron_backend.model.errors import (
    CheckpointError,
    MissingTensor,
    NotFinite,
    UnknownTensor,
    UnreadableFile,
    UnsupportedConfig,
    WrongShape,
    WrongType,
)
from nemotron_backend.model.network import Network

WEIGHTS = "model.safetensors"
ADAPTER = "linear_spec_lora"


@dataclass(frozen=True)
class Kind:
    """A good checkpoint, and the names of a matrix, of the number of layers and of a width in it."""

    folder: Path
    tensor: str
    width: str

    def edit(self, change: Callable[[dict[str, Tensor]], Any]) -> None:
        tensors = load_file(self.folder / WEIGHTS)
        change(tensors)
        save_file(tensors, self.folder / WEIGHTS)

    def configure(self, **changes: Any) -> None:
        file = self.folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.fixture(params=["llama", "nemotron", "nemotron_labs_diffusion", "nemotron_h"])
def kind(
    request: pytest.FixtureRequest,
    tiny_checkpoint: Path,
    tri_mode_folder: Path,
    save_hybrid: Any,
    tmp_path: Path,
) -> Kind:
    match request.param:
        case "llama":
            folder = copytree(tiny_checkpoint, tmp_path / "llama")
            return Kind(folder, "model.layers.1.mlp.up_proj.weight", "intermediate_size")
        case "nemotron":
            TINY["nemotron"].write(Catalog.read().find("minitron-8b-base"), tmp_path / "nemotron")
            return Kind(tmp_path / "nemotron", "model.layers.1.mlp.up_proj.weight", "intermediate_size")
        case "nemotron_labs_diffusion":
            folder = copytree(tri_mode_folder, tmp_path / "diffusion")
            return Kind(folder, "encoder.layers.1.mlp.up_proj.weight", "intermediate_size")
        case _:
            return Kind(
                save_hybrid(),
                "backbone.layers.1.mixer.experts.3.up_proj.weight",
                "moe_intermediate_size",
            )


def make(folder: Path) -> Network:
    checkpoint = open_checkpoint(folder)
    return checkpoint.network(checkpoint.sizes[0], checkpoint.precisions[0], "packed")


def refusal(folder: Path) -> CheckpointError:
    """What is said where the engine opens a folder and makes its first network."""
    with pytest.raises(CheckpointError) as caught:
        make(folder)
    error = caught.value
    assert folder in (error.file, error.file.parent)
    assert error.remedy.endswith(".")
    assert str(error) == f"{error.file}: {error.problem}. {error.remedy}"
    return error


def test_the_good_ones_are_made(kind: Kind) -> None:
    assert make(kind.folder).cache_bytes_per_token > 0


def test_a_missing_tensor_is_named(kind: Kind) -> None:
    kind.edit(lambda tensors: tensors.pop(kind.tensor))
    error = refusal(kind.folder)
    assert isinstance(error, MissingTensor)
    assert kind.tensor in error.problem


def test_a_tensor_of_another_shape_is_named_with_both_shapes(kind: Kind) -> None:
    kind.edit(lambda tensors: tensors.update({kind.tensor: torch.ones(3, 5)}))
    error = refusal(kind.folder)
    assert isinstance(error, WrongShape)
    assert error.problem.startswith(f"tensor {kind.tensor} is [3, 5], the config calls for [")


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_a_number_that_is_none_is_named(kind: Kind, value: float) -> None:
    kind.edit(lambda tensors: tensors[kind.tensor].view(-1)[7:8].fill_(value))
    error = refusal(kind.folder)
    assert isinstance(error, NotFinite)
    assert kind.tensor in error.problem


def test_a_tensor_without_a_place_is_named(kind: Kind) -> None:
    stray = kind.tensor.replace("up_proj", "side_proj")
    kind.edit(lambda tensors: tensors.update({stray: torch.ones(2, 2)}))
    error = refusal(kind.folder)
    assert isinstance(error, UnknownTensor)
    assert stray in error.problem


@pytest.mark.parametrize("share", [0.0, 0.01, 0.9])
def test_a_file_cut_short_is_named(kind: Kind, share: float) -> None:
    file = kind.folder / WEIGHTS
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    error = refusal(kind.folder)
    assert isinstance(error, UnreadableFile)
    assert error.file == file


def test_a_config_of_another_width_is_told_with_the_tensor(kind: Kind) -> None:
    config = json.loads((kind.folder / "config.json").read_text())
    kind.configure(**{kind.width: 2 * config[kind.width]})
    error = refusal(kind.folder)
    assert isinstance(error, WrongShape)
    assert error.problem.startswith("tensor ")


def test_a_config_of_fewer_layers_is_told_with_the_tensor(kind: Kind) -> None:
    config = json.loads((kind.folder / "config.json").read_text())
    if kinds := config.get("layers_block_type"):
        kind.configure(layers_block_type=kinds[:1], hybrid_override_pattern=None, layer_types=None)
    else:
        kind.configure(num_hidden_layers=1)
    error = refusal(kind.folder)
    assert isinstance(error, UnknownTensor)
    assert "layers.1." in error.problem


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model_type": 3}'])
def test_a_config_that_is_none_is_named(kind: Kind, text: str) -> None:
    (kind.folder / "config.json").write_text(text)
    assert refusal(kind.folder).file == kind.folder / "config.json"


def test_eight_bit_numbers_without_a_scale_are_not_read_as_plain_ones(kind: Kind) -> None:
    kind.edit(lambda tensors: tensors.update({kind.tensor: tensors[kind.tensor].to(torch.float8_e4m3fn)}))
    error = refusal(kind.folder)
    assert isinstance(error, WrongType)
    assert kind.tensor in error.problem


def test_quantised_weights_are_read_of_hybrids_alone(kind: Kind) -> None:
    kind.configure(quantization_config={"quant_method": "awq", "bits": 4})
    error = refusal(kind.folder)
    assert isinstance(error, UnsupportedConfig)
    assert error.file == kind.folder / "config.json"


def test_a_tokenizer_that_is_missing_or_broken_is_named(kind: Kind) -> None:
    file = kind.folder / "tokenizer.json"
    for content in (None, "{", "{}"):
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_text(content)
        with pytest.raises(StartError, match=f"{file}: not a readable tokenizer.*beside its weights"):
            load(served(kind.folder), EmbeddedOptions(), lambda sentence, fraction: None)


def served(folder: Path) -> ModelOptions:
    checkpoint = open_checkpoint(folder)
    return ModelOptions(model="m", checkpoint=str(folder), sizes=checkpoint.sizes)


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
@pytest.mark.parametrize("content", [None, b"{"])
def test_an_adapter_that_is_not_whole_is_named(
    tri_mode_folder: Path, tmp_path: Path, name: str, content: bytes | None
) -> None:
    folder = copytree(tri_mode_folder, tmp_path / "diffusion")
    adapter = folder / ADAPTER
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"r": 4, "lora_alpha": 8, "target_modules": "o_proj"}')
    save_file({}, adapter / "adapter_model.safetensors")
    (adapter / name).unlink()
    if content is not None:
        (adapter / name).write_bytes(content)
    with pytest.raises(UnreadableFile) as caught:
        open_checkpoint(folder)
    assert caught.value.file == adapter / name
    assert "remove the folder to draft without one" in str(caught.value) or name in str(caught.value)
