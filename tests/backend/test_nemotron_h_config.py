"""Are both spellings of a hybrid config read, and contradictions refused by name?"""

import json
from pathlib import Path
from typing import Any

import pytest

from nemotron_backend.model.errors import UnreadableFile, UnsupportedConfig
from nemotron_backend.model.nemotron_h_config import parse_nemotron_h_config, read_nemotron_h_config

# The released Nano's own fields.
NANO: dict[str, Any] = {
    "model_type": "nemotron_h",
    "vocab_size": 131072,
    "hidden_size": 2688,
    "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
    "num_hidden_layers": 52,
    "num_attention_heads": 32,
    "num_key_value_heads": 2,
    "head_dim": 128,
    "norm_eps": 1e-5,
    "mamba_num_heads": 64,
    "mamba_head_dim": 64,
    "n_groups": 8,
    "ssm_state_size": 128,
    "n_routed_experts": 128,
    "num_experts_per_tok": 6,
    "moe_intermediate_size": 1856,
    "moe_shared_expert_intermediate_size": 3712,
    "routed_scaling_factor": 2.5,
    "time_step_limit": [0.0, float("inf")],
    "mlp_hidden_act": "relu2",
    "rope_theta": 10000,
}
WORDS = {"M": "mamba", "E": "moe", "*": "attention"}
NEW_WORDS = {"M": "linear_attention", "E": "moe", "*": "full_attention"}


def changed(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (NANO | changes).items() if value is not ...}


def test_the_pattern_string_is_read() -> None:
    config = parse_nemotron_h_config(NANO)
    counts = {kind: config.layers.count(kind) for kind in ("mamba", "experts", "attention", "mlp")}
    assert counts == {"mamba": 23, "experts": 23, "attention": 6, "mlp": 0}
    assert [layer for layer, kind in enumerate(config.layers) if kind == "attention"] == [
        5,
        12,
        19,
        26,
        33,
        42,
    ]
    assert (config.inner_size, config.convolution_size) == (4096, 6144)


@pytest.mark.parametrize("words", [WORDS, NEW_WORDS], ids=["nvidia", "transformers"])
@pytest.mark.parametrize("key", ["layers_block_type", "layer_types"])
def test_block_lists_mean_the_same_layers(words: dict[str, str], key: str) -> None:
    blocks = [words[letter] for letter in NANO["hybrid_override_pattern"]]
    listed = parse_nemotron_h_config(changed(hybrid_override_pattern=..., **{key: blocks}))
    assert listed == parse_nemotron_h_config(NANO)


def test_an_infinite_limit_is_read_as_transformers_writes_it() -> None:
    limit = [0.0, {"__float__": "Infinity"}]
    assert parse_nemotron_h_config(changed(time_step_limit=limit)) == parse_nemotron_h_config(NANO)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"model_type": "llama"}, "model_type is 'llama'"),
        ({"mlp_hidden_act": "silu"}, "mlp_hidden_act is 'silu', and only 'relu2'"),
        ({"tie_word_embeddings": True}, "tie_word_embeddings is True"),
        ({"time_step_limit": [0.001, 0.1]}, "time_step_limit is"),
        ({"hybrid_override_pattern": ...}, "neither hybrid_override_pattern nor layers_block_type"),
        ({"hybrid_override_pattern": "MX*"}, r"has \['X'\]"),
        ({"layers_block_type": ["mamba"]}, "name different layers"),
        ({"num_hidden_layers": 51}, "num_hidden_layers is 51, the layers named are 52"),
        ({"hidden_size": ...}, "hidden_size"),
        ({"hidden_size": "wide"}, "hidden_size"),
        ({"hidden_size": 0}, "hidden_size is 0"),
        ({"moe_intermediate_size": ...}, "moe_intermediate_size is 0"),
        ({"num_key_value_heads": 5}, "32 query heads cannot share 5 key heads"),
        ({"mamba_num_heads": 63}, "63 Mamba heads do not divide into 8 groups"),
        ({"n_group": 3}, "128 experts in 3 groups"),
        ({"num_experts_per_tok": 129}, "cannot give 129 to a token"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_config_that_cannot_be_built_says_why(
    tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(changed(**changes)))
    with pytest.raises(UnsupportedConfig, match=problem) as caught:
        read_nemotron_h_config(tmp_path)
    assert caught.value.file == tmp_path / "config.json"


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises((UnreadableFile, UnsupportedConfig), match=r"config\.json"):
        read_nemotron_h_config(tmp_path)


def test_a_folder_without_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="No such file"):
        read_nemotron_h_config(tmp_path)
