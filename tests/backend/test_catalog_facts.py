"""Do the numbers in the catalog agree with each other, with publications and with transformers?"""

import re

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
)

from nemotron_backend.catalog import Catalog, Model, Size
from nemotron_backend.catalog.dimensions import Dimensions
from nemotron_backend.request import Variant

MODELS = Catalog.read().models
SHAPED = [(model, size) for model in MODELS for size in model.sizes if size.dimensions is not None]

PUBLISHED_BILLIONS = {
    "nemotron-3-nano-30b-a3b": (31.578, 3.580),
    "nemotron-3-super-120b-a12b": (120.669, 12.770),
    "nemotron-3-ultra-550b-a55b": (549.309, 56.06),
    "nemotron-labs-3-elastic-30b-a3b": (31.578, 3.6),
    "nemotron-4-340b-instruct": (341.0, 341.0),
    "llama-3.1-nemotron-70b-instruct": (70.55, 70.55),
    "minitron-8b-base": (8.272, 8.272),
    "minitron-4b-base": (4.191, 4.191),
    "nemotron-labs-diffusion-3b": (3.83, 3.83),
    "nemotron-labs-diffusion-8b": (8.49, 8.49),
    "nemotron-labs-diffusion-14b": (13.51, 13.51),
}
REPOSITORIES = """
nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-{Base-BF16,BF16,FP8,NVFP4}
nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-{Base-BF16,BF16,FP8,NVFP4}
nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-{Base-BF16,BF16,NVFP4,GenRM}
nvidia/NVIDIA-Nemotron-Labs-3-Elastic-30B-A3B-{BF16,FP8,NVFP4}
nvidia/Nemotron-4-340B-{Base,Instruct,Reward}
nvidia/Llama-3.1-Nemotron-70B-{Instruct,Reward,Instruct-HF,Reward-HF}
nvidia/Minitron-{8B-Base,4B-Base}
nvidia/Nemotron-{Mini-4B-Instruct}
nvidia/Nemotron-Labs-Diffusion-{3B,8B,14B,3B-Base,8B-Base,14B-Base,VLM-8B}
"""
LAYERS = {
    "nemotron-3-nano-30b-a3b": {"M": 23, "E": 23, "*": 6},
    "nemotron-3-super-120b-a12b": {"M": 40, "E": 40, "*": 8},
    "nemotron-3-ultra-550b-a55b": {"M": 48, "E": 48, "*": 12},
}


def _id(case: object) -> str:
    return case.id if isinstance(case, Model) else case.name if isinstance(case, Size) else str(case)


@pytest.mark.parametrize(("model", "billions"), PUBLISHED_BILLIONS.items())
def test_counts_are_those_published(model: str, billions: tuple[float, float]) -> None:
    size = Catalog.read().find(model).sizes[0]
    assert size.total_parameters / 1e9 == pytest.approx(billions[0], rel=2e-3)
    assert size.active_parameters / 1e9 == pytest.approx(billions[1], rel=6e-3)


@pytest.mark.parametrize(("model", "size"), SHAPED, ids=_id)
def test_counts_are_those_of_transformers(model: Model, size: Size) -> None:
    assert size.dimensions is not None
    config = _transformers_config(size.dimensions)
    kind = AutoModelForSequenceClassification if size.dimensions.outputs else AutoModelForCausalLM
    with torch.device("meta"):
        network: torch.nn.Module = kind.from_config(config)  # type: ignore[no-untyped-call]
    corrections = [b for name, b in network.named_buffers() if name.endswith("e_score_correction_bias")]
    assert size.total_parameters == sum(tensor.numel() for tensor in (*network.parameters(), *corrections))


def _transformers_config(dimensions: Dimensions) -> PreTrainedConfig:
    assert dimensions.attention is not None
    fields = {
        "vocab_size": dimensions.vocabulary,
        "hidden_size": dimensions.hidden,
        "num_attention_heads": dimensions.attention.query_heads,
        "num_key_value_heads": dimensions.attention.key_value_heads,
        "head_dim": dimensions.attention.head_dim,
        "tie_word_embeddings": dimensions.is_tied,
        "num_labels": dimensions.outputs,
    }
    if dimensions.feed_forward is not None:
        model_type = "llama" if dimensions.feed_forward.gated else "nemotron"
        sizes = {
            "num_hidden_layers": dimensions.repeats,
            "intermediate_size": dimensions.feed_forward.width,
        }
        return AutoConfig.for_model(model_type, **fields, **sizes)
    return AutoConfig.for_model("nemotron_h", **fields, **_hybrid_fields(dimensions))


def _hybrid_fields(dimensions: Dimensions) -> dict[str, object]:
    experts, mamba = dimensions.experts, dimensions.mamba
    assert experts is not None
    assert mamba is not None
    return {
        "hybrid_override_pattern": dimensions.pattern,
        "n_routed_experts": experts.routed,
        "num_experts_per_tok": experts.active,
        "moe_intermediate_size": experts.width,
        "moe_shared_expert_intermediate_size": experts.shared_width,
        "moe_latent_size": experts.latent or None,
        "mamba_num_heads": mamba.heads,
        "mamba_head_dim": mamba.head_dim,
        "n_groups": mamba.groups,
        "ssm_state_size": mamba.state,
        "conv_kernel": mamba.convolution,
    }


@pytest.mark.parametrize(("model", "layers"), LAYERS.items())
def test_the_pattern_has_the_published_number_of_each_layer(model: str, layers: dict[str, int]) -> None:
    dimensions = Catalog.read().find(model).sizes[0].dimensions
    assert dimensions is not None
    assert {letter: dimensions.pattern.count(letter) for letter in "ME*"} == layers


def test_every_published_repository_is_listed_once() -> None:
    expected = set()
    for line in REPOSITORIES.split():
        stem, names = line.rstrip("}").split("{")
        expected |= {stem + name for name in names.split(",")}
    listed = [c.repository for m in MODELS for c in m.checkpoints if c.repository.startswith("nvidia/")]
    assert sorted(listed) == sorted(expected)


@pytest.mark.parametrize("model", MODELS, ids=_id)
def test_the_arithmetic_of_the_needs_is_right(model: Model) -> None:
    sums = re.findall(r"([\d.]+)B x (\d) bytes? = (\d+) GB", model.needs)
    assert sums or model.family == "local"
    for billions, width, gigabytes in sums:
        assert float(billions) * int(width) == pytest.approx(float(gigabytes), abs=0.51)


@pytest.mark.parametrize("model", MODELS, ids=_id)
def test_the_needs_speak_of_the_model_s_own_weights(model: Model) -> None:
    largest = max(size.total_parameters for size in model.sizes) / 1e9
    for billions in re.findall(r"([\d.]+)B x", model.needs):
        assert float(billions) == pytest.approx(largest, rel=0.03)  # Ultra's counts one block more


@pytest.mark.parametrize("model", MODELS, ids=_id)
def test_every_variant_of_every_model_can_be_written_and_read(model: Model) -> None:
    for size in model.sizes:
        for precision in model.precisions:
            for decode in model.decodes:
                variant = Variant(model=model.id, size=size.name, precision=precision, decode=decode)
                assert Variant.parse(str(variant)) == variant


@pytest.mark.parametrize("model", MODELS, ids=_id)
def test_a_rounded_count_is_marked_as_unverified(model: Model) -> None:
    rounded = [size for size in model.sizes if size.dimensions is None and size.total_parameters]
    assert not rounded or any("count" in note or "dimensions" in note for note in model.unverified)


@pytest.mark.parametrize("model", [m for m in MODELS if m.family != "local"], ids=_id)
def test_a_model_that_is_not_local_says_how_to_get_it(model: Model) -> None:
    assert model.checkpoints
    assert "Hugging Face" in model.obtain
    assert "no engine that drives one yet" in model.obtain


@pytest.mark.parametrize(
    ("model", "decodes"),
    [
        ("nemotron-3-nano-30b-a3b", ("autoregressive",)),
        ("nemotron-3-super-120b-a12b", ("autoregressive", "self-speculation")),
        ("nemotron-3-ultra-550b-a55b", ("autoregressive", "self-speculation")),
        ("nemotron-labs-diffusion-8b", ("autoregressive", "diffusion", "self-speculation")),
    ],
)
def test_decode_modes_are_those_the_weights_were_trained_for(model: str, decodes: tuple[str, ...]) -> None:
    assert Catalog.read().find(model).decodes == decodes


def test_only_super_and_ultra_switch_effort() -> None:
    efforts = {m.id: m.reasoning.effort for m in MODELS if m.reasoning and m.reasoning.effort}
    assert efforts == {
        "nemotron-3-super-120b-a12b": "low_effort",
        "nemotron-3-ultra-550b-a55b": "medium_effort",
    }
