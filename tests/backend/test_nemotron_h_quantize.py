"""Does a quantised hybrid checkpoint have ModelOpt's layout, and give back the very same numbers?"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from compressed_tensors.compressors.nvfp4.helpers import unpack_fp4_from_uint8  # type: ignore[import-untyped]
from safetensors.torch import load_file, save_file

from nemotron_backend.model.checkpoint_writer import CheckpointWriter
from nemotron_backend.model.elastic import OffGrid
from nemotron_backend.model.errors import UnsupportedConfig
from nemotron_backend.model.inventory import is_linear, prefix
from nemotron_backend.model.modelopt import Quantisation, read_quantisation
from nemotron_backend.model.nemotron_h_checkpoint import NemotronHCheckpoint
from nemotron_backend.model.nemotron_h_tensors import NemotronHTensors
from nemotron_backend.model.quantisation_recipe import recipe
from nemotron_backend.model.quantize import quantize
from nemotron_backend.request import Precision

SHAPE: dict[str, Any] = {"hidden_size": 64, "hybrid_override_pattern": "MEM*ME", "moe_latent_size": 32}
QUANTISED: tuple[Precision, ...] = ("fp8", "nvfp4")
TOKENS = torch.randint(101, (19,), generator=torch.Generator().manual_seed(2)).tolist()


def silent(done: int, total: int) -> None:
    """No one watches."""


def logits(folder: Path, precision: Precision, run: Any) -> Any:
    network = NemotronHCheckpoint.open(folder).network("full", precision)
    return run(network, (TOKENS, network.make_cache(len(TOKENS)), 0))[0]


@pytest.mark.parametrize("precision", QUANTISED)
def test_rounding_on_demand_and_a_quantised_checkpoint_are_the_same_network(
    save_hybrid: Any, run: Any, tmp_path: Path, precision: Precision
) -> None:
    folder = save_hybrid(**SHAPE)
    quantize(folder, precision, tmp_path / "out", silent)
    assert NemotronHCheckpoint.open(tmp_path / "out").precisions == (precision,)
    assert torch.equal(logits(tmp_path / "out", precision, run), logits(folder, precision, run))
    assert not torch.equal(logits(folder, precision, run), logits(folder, "bf16", run))


@pytest.mark.parametrize("precision", QUANTISED)
def test_what_is_read_back_is_what_was_written(
    save_hybrid: Any, tmp_path: Path, precision: Precision
) -> None:
    folder = save_hybrid(**SHAPE)
    quantize(folder, precision, tmp_path / "out", silent)
    plain, read = NemotronHTensors(folder), NemotronHTensors(tmp_path / "out")
    wanted = recipe(plain.config, precision)
    assert read.quantisation == wanted
    for name in filter(is_linear, plain.shapes):
        written, back = plain.quantised(name, wanted).tensors(), read.stored(name).tensors()
        for part, tensor in written.items():
            assert torch.equal(back[part].flatten().view(torch.uint8), tensor.flatten().view(torch.uint8))


def test_the_layout_is_modelopts(save_hybrid: Any, tmp_path: Path) -> None:
    quantize(save_hybrid(**SHAPE), "nvfp4", tmp_path / "out", silent)
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    stem = "backbone.layers.1.mixer.experts.0.up_proj."
    held = {name.removeprefix(stem): tensor for name, tensor in tensors.items() if name.startswith(stem)}
    assert {part: (tensor.dtype, tuple(tensor.shape)) for part, tensor in held.items()} == {
        "weight": (torch.uint8, (32, 16)),
        "weight_scale": (torch.float8_e4m3fn, (32, 2)),
        "weight_scale_2": (torch.float32, ()),
        "input_scale": (torch.float32, ()),
    }
    own = json.loads((tmp_path / "out" / "hf_quant_config.json").read_text())
    assert own["producer"]["name"] == "modelopt"
    assert own["quantization"]["quant_algo"] == "NVFP4"
    assert own["quantization"]["group_size"] == 16
    config = json.loads((tmp_path / "out" / "config.json").read_text())["quantization_config"]
    assert (config["quant_method"], config["quant_algo"]) == ("modelopt", "NVFP4")
    assert config["ignore"] == own["quantization"]["exclude_modules"]


def test_compressed_tensors_reads_the_same_numbers(save_hybrid: Any, tmp_path: Path) -> None:
    quantize(save_hybrid(**SHAPE), "nvfp4", tmp_path / "out", silent)
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    packed = [name for name, tensor in tensors.items() if tensor.dtype == torch.uint8]
    assert packed
    read = NemotronHTensors(tmp_path / "out")
    for name in packed:
        rows, half = tensors[name].shape
        codes = unpack_fp4_from_uint8(tensors[name], rows, 2 * half, dtype=torch.float32)
        scales = tensors[f"{name}_scale"].float().repeat_interleave(16, dim=1)
        values, scale = read.stored(name).numbers()
        assert torch.equal(codes * scales, values)
        assert scale is not None
        assert torch.equal(scale, tensors[f"{name}_scale_2"])


@pytest.mark.parametrize(
    ("precision", "plain_layers", "rounded"),
    [("fp8", [3], [0, 1, 2, 4, 5]), ("nvfp4", [2, 3], [0, 1, 4, 5])],
)
def test_the_recipe_leaves_what_nvidia_leaves(
    save_hybrid: Any, precision: Precision, plain_layers: list[int], rounded: list[int]
) -> None:
    tensors = NemotronHTensors(save_hybrid(**SHAPE))
    wanted = recipe(tensors.config, precision)
    for layers, expected in ((plain_layers, "bf16"), (rounded, precision)):
        for layer in layers:
            names = [name for name in tensors.shapes if name.startswith(prefix(layer)) and is_linear(name)]
            given = {wanted.of(name.removesuffix(".weight")) for name in names if "latent" not in name}
            assert given == {expected}
    for kept in ("lm_head", "mtp.layers.0.mixer.q_proj", f"{prefix(1)}fc1_latent_proj"):
        assert wanted.of(kept) == "bf16"


def test_multi_token_prediction_is_copied_as_it_is(save_hybrid: Any, tmp_path: Path) -> None:
    folder = save_hybrid(**SHAPE)
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | {"mtp.layers.0.eh_proj.weight": torch.ones(4, 8)}, folder / "model.safetensors")
    quantize(folder, "nvfp4", tmp_path / "out", silent)
    written = load_file(tmp_path / "out" / "model.safetensors")
    assert torch.equal(written["mtp.layers.0.eh_proj.weight"], torch.ones(4, 8))


def test_an_nvfp4_width_that_16_does_not_divide_is_refused(save_hybrid: Any, tmp_path: Path) -> None:
    with pytest.raises(
        OffGrid, match=r"tensor backbone\.layers\.1\..*NVFP4 needs an input axis that 16 divides"
    ):
        quantize(save_hybrid(**SHAPE, moe_intermediate_size=24), "nvfp4", tmp_path / "out", silent)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out-*"))


def test_a_quantised_checkpoint_is_not_quantised_again(save_hybrid: Any, tmp_path: Path) -> None:
    quantize(save_hybrid(**SHAPE), "fp8", tmp_path / "out", silent)
    with pytest.raises(UnsupportedConfig, match="the weights are fp8 already"):
        quantize(tmp_path / "out", "nvfp4", tmp_path / "again", silent)


def test_a_folder_with_content_is_not_overwritten(save_hybrid: Any) -> None:
    folder = save_hybrid(**SHAPE)
    with pytest.raises(FileExistsError, match="is not an empty folder"):
        quantize(folder, "fp8", folder, silent)


def test_the_tokenizer_travels_with_the_weights(save_hybrid: Any, tmp_path: Path) -> None:
    folder = save_hybrid(**SHAPE)
    (folder / "tokenizer.json").write_text("{}")
    quantize(folder, "fp8", tmp_path / "out", silent)
    assert (tmp_path / "out" / "tokenizer.json").read_text() == "{}"


def test_a_mixed_checkpoint_gives_each_layer_its_own_precision(
    save_hybrid: Any, run: Any, tmp_path: Path
) -> None:
    # As Super ships: routed experts in NVFP4, shared experts and Mamba in FP8, the rest in bfloat16.
    source = NemotronHTensors(save_hybrid(**SHAPE))
    layers: dict[str, Precision] = {}
    for name in filter(is_linear, source.shapes):
        if ".experts." in name:
            layers[name.removesuffix(".weight")] = "nvfp4"
        elif ".shared_experts." in name or "in_proj" in name or "out_proj" in name:
            layers[name.removesuffix(".weight")] = "fp8"
    wanted = Quantisation(precision="nvfp4", by_layer=layers, is_mixed=True)
    with CheckpointWriter(tmp_path / "out") as writer:
        writer.copy_rest(source.folder)
        writer.add_json("config.json", json.loads((source.folder / "config.json").read_text()))
        named = {module: {"quant_algo": precision.upper()} for module, precision in layers.items()}
        section = {"quant_algo": "MIXED_PRECISION", "quantized_layers": named}
        writer.add_json("hf_quant_config.json", {"quantization": section})
        for name in source.shapes:
            stem = name.removesuffix(".weight")
            held = source.quantised(name, wanted).tensors() if is_linear(name) else {}
            writer.add(
                {f"{stem}.{part}": tensor for part, tensor in held.items()} or {name: source.tensor(name)}
            )
    assert read_quantisation(tmp_path / "out") == wanted
    mixed, fp8 = logits(tmp_path / "out", "nvfp4", run), logits(source.folder, "fp8", run)
    plain = logits(source.folder, "bf16", run)
    assert 0 < float((mixed - plain).norm()) < float(plain.norm())
    assert not torch.equal(mixed, fp8)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"quant_algo": "INT4_AWQ"}, "quant_algo is 'INT4_AWQ', not one of FP8, NVFP4"),
        ({"quant_algo": None}, "quant_algo is None"),
        ({"quant_algo": "FP8", "quant_method": "gptq"}, "quant_method is 'gptq', not 'modelopt'"),
        ({"quant_algo": "FP8", "exclude_modules": "lm_head"}, "exclude_modules"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_another_quantisation_is_refused(save_hybrid: Any, section: dict[str, Any], problem: str) -> None:
    folder = save_hybrid()
    (folder / "hf_quant_config.json").write_text(json.dumps({"quantization": section}))
    with pytest.raises(UnsupportedConfig, match=problem):
        read_quantisation(folder)


def test_two_descriptions_that_differ_are_refused(save_hybrid: Any, tmp_path: Path) -> None:
    quantize(save_hybrid(**SHAPE), "fp8", tmp_path / "out", silent)
    (tmp_path / "out" / "hf_quant_config.json").write_text(
        json.dumps({"quantization": {"quant_algo": "FP8"}})
    )
    with pytest.raises(UnsupportedConfig, match=r"config\.json names other quantised layers"):
        NemotronHCheckpoint.open(tmp_path / "out")


@pytest.mark.parametrize(
    "pattern", ["lm_head", "lm_*", "backbone.layers.4", "backbone.layers.4.*", "*.q_proj"]
)
def test_modules_are_named_whole_by_their_parent_or_by_a_glob(pattern: str) -> None:
    quantisation = Quantisation(precision="fp8", excluded=(pattern,))
    modules = ["lm_head", "backbone.layers.4.mixer.q_proj", "backbone.layers.40.mixer.in_proj"]
    assert [quantisation.of(module) for module in modules].count("bf16") == 1
    assert quantisation.of(modules[2]) == "fp8"


def test_shards_are_indexed_and_read_back(tmp_path: Path) -> None:
    with CheckpointWriter(tmp_path / "out", shard_bytes=64) as writer:
        for index in range(5):
            writer.add({f"tensor.{index}": torch.full((8,), float(index))})
    index_file = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    assert index_file["metadata"]["total_size"] == 5 * 32
    assert len(set(index_file["weight_map"].values())) == 3
    for name, file in index_file["weight_map"].items():
        assert load_file(tmp_path / "out" / file)[name][0] == float(name[-1])
