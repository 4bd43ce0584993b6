"""Does our dense Nemotron compute what transformers' does?"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import NemotronConfig, NemotronForCausalLM

from nemotron_backend.embedded.loading import StartError, load
from nemotron_backend.embedded.options import EmbeddedOptions, ModelOptions
from nemotron_backend.model.architecture import open_checkpoint
from nemotron_backend.model.errors import UnsupportedConfig
from nemotron_backend.request import PRECISIONS, Precision
from nemotron_kernels import fp8, nvfp4

SHAPE: dict[str, Any] = {
    "vocab_size": 101,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "initializer_range": 0.2,
}
SHAPES: dict[str, dict[str, Any]] = {
    "heads wider than hidden, as in Minitron 8B": {},
    "heads as wide as hidden, as in Minitron 4B": {"head_dim": 8},
    "heads of 192 over 12, as in 340B": {
        "num_attention_heads": 12,
        "num_key_value_heads": 1,
        "head_dim": 192,
    },
    "a key head each": {"num_attention_heads": 3, "num_key_value_heads": 3, "head_dim": 20},
    "turned whole": {"partial_rotary_factor": 1.0},
    "turned by a quarter": {"partial_rotary_factor": 0.25, "rope_theta": 500.0},
    "tied": {"tie_word_embeddings": True},
}


def save(folder: Path, **changes: Any) -> Any:
    """A random network whose weights are bfloat16 values, and whose norms and biases matter."""
    torch.manual_seed(0)
    model: Any = NemotronForCausalLM(NemotronConfig(**(SHAPE | changes)))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.uniform_(-0.4, 0.4)
    model.to(torch.bfloat16).save_pretrained(folder)
    # Read anew, since its rotations were rounded too.
    return NemotronForCausalLM.from_pretrained(folder, dtype=torch.float32)


def tokens(length: int, seed: int) -> list[int]:
    ids: list[int] = torch.randint(0, 101, (length,), generator=torch.Generator().manual_seed(seed)).tolist()
    return ids


def expected(model: Any, ids: Sequence[int]) -> Tensor:
    with torch.inference_mode():
        logits: Tensor = model(torch.tensor([ids])).logits[0]
    return logits


def close(actual: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(actual, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("changes", SHAPES.values(), ids=SHAPES)
def test_prompts_and_steps_give_the_logits_of_transformers(
    tmp_path: Path, run: Any, changes: dict[str, Any]
) -> None:
    model = save(tmp_path, **changes)
    network = open_checkpoint(tmp_path).network("full", "bf16", "packed")
    prompts = [tokens(length, length) for length in (1, 17, 2, 33)]
    logits = run(network, *((prompt, network.make_cache(40), 0) for prompt in prompts))
    for prompt, own in zip(prompts, logits, strict=True):
        close(own, expected(model, prompt))
    ids, cache, position, pieces = tokens(29, 7), network.make_cache(3), 0, []
    for length in (1, 9, 1, 1, 13, 4):
        pieces += run(network, (ids[position : position + length], cache, position))
        position += length
    close(torch.cat(pieces), expected(model, ids))


def test_a_prompt_and_a_step_share_a_forward(tmp_path: Path, run: Any) -> None:
    model = save(tmp_path)
    network = open_checkpoint(tmp_path).network("full", "bf16", "packed")
    running, prompt, cache = tokens(12, 1), tokens(9, 2), network.make_cache(20)
    run(network, (running[:-1], cache, 0))
    last, other = run(network, (running[-1:], cache, 11), (prompt, network.make_cache(20), 0))
    close(last, expected(model, running)[-1:])
    close(other, expected(model, prompt))


def test_a_head_may_be_called_by_nvidias_first_name_for_it(tmp_path: Path, run: Any) -> None:
    model = save(tmp_path)
    configure(tmp_path, head_dim=None, kv_channels=16, rope_parameters={}, rope_theta=10000, norm_eps=1e-5)
    network = open_checkpoint(tmp_path).network("full", "bf16", "packed")
    (logits,) = run(network, (tokens(9, 2), network.make_cache(20), 0))
    close(logits, expected(model, tokens(9, 2)))


def configure(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes), "utf-8")


def rounded(weight: Tensor, precision: Precision) -> Tensor:
    match precision:
        case "bf16":
            return weight
        case "fp8":
            return fp8.dequantise(fp8.quantise(weight.bfloat16()))
        case "nvfp4":
            return nvfp4.dequantise(nvfp4.quantise(weight.bfloat16()))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_precision_rounds_the_maps_of_layers_alone(tmp_path: Path, run: Any, precision: Precision) -> None:
    model = save(tmp_path)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "_proj" in name:
                parameter.copy_(rounded(parameter, precision))
    network = open_checkpoint(tmp_path).network("full", precision, "packed")
    (logits,) = run(network, (tokens(21, 3), network.make_cache(21), 0))
    close(logits, expected(model, tokens(21, 3)))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"hidden_act": "silu"}, "hidden_act is 'silu', not 'relu2'"),
        ({"kv_channels": 32}, "head_dim is 16 and kv_channels 32"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rope type 'yarn'"),
        ({"rope_parameters": {"partial_rotary_factor": 0.07}}, "1 of 16 numbers of a head"),
        ({"mlp_bias": True}, "biases are not supported"),
        ({"num_key_value_heads": 4}, "6 query heads cannot share 4 key heads"),
    ],
    ids=str,
)
def test_what_is_not_built_here_is_told(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    save(tmp_path)
    configure(tmp_path, **changes)
    with pytest.raises(UnsupportedConfig) as caught:
        open_checkpoint(tmp_path)
    assert problem in caught.value.problem


@pytest.mark.parametrize("sign", ["model_config.yaml", "model_weights", "Nemotron-4-340B-Instruct.nemo"])
def test_a_folder_of_nemo_is_told_what_to_become(tmp_path: Path, sign: str) -> None:
    (tmp_path / sign).touch()
    with pytest.raises(StartError, match=f"{sign}: this is a checkpoint in NeMo's format") as caught:
        load(ModelOptions(checkpoint=str(tmp_path)), EmbeddedOptions(), lambda sentence, fraction: None)
    for part in ("config.json", "kv_channels", "model.layers.N", "lm_head", "tokenizer.json"):
        assert part in str(caught.value)
