"""What is a tiny random checkpoint of each model of the catalog, and what computes its logits otherwise?

Files are laid out as NVIDIA's, with the traits of the model that its arithmetic depends on: how heads relate
to the hidden width, what is tied, latent experts, sizes in one set of weights, a block that drafts.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tiny_hybrid import PREDICTING, add_prediction, save_hybrid
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    NemotronConfig,
    NemotronForCausalLM,
    NemotronForSequenceClassification,
)

from nemotron_backend.catalog import Model
from nemotron_backend.catalog.dimensions import Dimensions
from nemotron_backend.model.extract import extract
from nemotron_backend.recipes.trimode.network import CONFIG, TriMode
from nemotron_backend.rewards import ATTRIBUTES

VOCABULARY = 320
_LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
_NESTED: tuple[dict[str, int], ...] = ({}, {"hidden_size": 32}, {"hidden_size": 32, "n_routed_experts": 4})


@dataclass(frozen=True)
class Tiny:
    """How a class of checkpoints is written, and what its logits [tokens, vocabulary] are held against."""

    write: Callable[[Model, Path], None]
    reference: str
    logits: Callable[[Path, str, Sequence[int]], Tensor]


def _llama(model: Model, folder: Path) -> None:
    fields = _dense(model)
    if model.context > 100_000:
        fields["rope_parameters"] = _LLAMA3
    _save(LlamaForCausalLM(LlamaConfig(**fields)), folder)


def _nemotron(model: Model, folder: Path) -> None:
    fields = _dense(model)
    if outputs := _dimensions(model).outputs:
        fields["num_labels"] = outputs
        _save(NemotronForSequenceClassification(NemotronConfig(**fields)), folder)  # type: ignore[no-untyped-call]
        return
    _save(NemotronForCausalLM(NemotronConfig(**fields)), folder)
    # Of NVIDIA's own files some call the width of a head kv_channels.
    if model.id == "nemotron-mini-4b-instruct":
        _configure(folder, head_dim=None, kv_channels=fields["head_dim"])


def _save(network: Any, folder: Path) -> None:
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "norm" in name:
                parameter.uniform_(0.1, 0.9)
    network.to(torch.bfloat16).save_pretrained(folder)


def _dense(model: Model) -> dict[str, Any]:
    """A decoder of few layers, whose heads fill the hidden width only where the model's do."""
    large = _dimensions(model)
    assert large.attention is not None
    heads, width = large.attention.query_heads, large.attention.head_dim
    group = min(heads // large.attention.key_value_heads, 3)
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": 48,
        "intermediate_size": 80,
        "num_hidden_layers": 2,
        "num_attention_heads": 2 * group,
        "num_key_value_heads": 2,
        "head_dim": 48 // (2 * group) if heads * width == large.hidden else 20,
        "tie_word_embeddings": large.is_tied,
        "max_position_embeddings": 256,
        "initializer_range": 0.2,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }


def _hybrid(model: Model, folder: Path) -> None:
    large = _dimensions(model)
    fields: dict[str, Any] = {"vocab_size": VOCABULARY, "hybrid_override_pattern": "ME*ME"}
    if large.experts and large.experts.latent:
        fields["moe_latent_size"] = 32
    drafts = "self-speculation" in model.decodes
    if drafts:
        fields = PREDICTING | fields
    save_hybrid(folder, **fields)
    if drafts:
        add_prediction(folder, 0.04)
    if len(model.sizes) > 1:
        nested = dict(zip((size.name for size in model.sizes), _NESTED, strict=False))
        _configure(folder, elastic_sizes=nested)


def _diffusion(model: Model, folder: Path) -> None:
    config = CONFIG | _dense(model) | {"head_dim": 16, "block_size": 8, "mask_token_id": 5}
    weights = TriMode(config).state_dict()
    for name, value in weights.items():
        value.mul_(1 if "norm" in name else 12)
    folder.mkdir()
    save_file({name: value.bfloat16() for name, value in weights.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config), "utf-8")


def _dimensions(model: Model) -> Dimensions:
    dimensions = model.sizes[0].dimensions
    assert dimensions is not None, f"{model.id} has no known dimensions"
    return dimensions


def _configure(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    config = json.loads(file.read_text("utf-8")) | changes
    file.write_text(json.dumps({name: value for name, value in config.items() if value is not None}), "utf-8")


def _of_transformers(folder: Path, size: str, ids: Sequence[int]) -> Tensor:
    if size != "full":
        cut = folder.with_name(f"{folder.name}-{size}")
        extract(folder, size, cut, lambda done, total: None)
        folder = cut
    if (width := json.loads((folder / "config.json").read_text()).get("kv_channels")) is not None:
        _configure(folder, head_dim=width)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        logits: Tensor = model(torch.tensor([ids])).logits[0]
    return logits


def scores(model: Model, folder: Path, ids: Sequence[int]) -> Tensor:
    """A reward model's scores behind every token [tokens, attributes], as transformers computes them."""
    if not _dimensions(model).outputs:
        return _of_transformers(folder, "full", ids)[:, :1]
    network: Any = NemotronForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        # The class itself tells those of the last token alone.
        outputs: Tensor = network.score(network.model(torch.tensor([ids])).last_hidden_state)[0]
    return outputs[:, -len(ATTRIBUTES) :]


def _of_training(folder: Path, size: str, ids: Sequence[int]) -> Tensor:
    network = TriMode(json.loads((folder / "config.json").read_text("utf-8")))
    network.load_state_dict(load_file(folder / "model.safetensors"))
    causal = torch.ones(len(ids), len(ids), dtype=torch.bool).tril()[None, None]
    with torch.inference_mode():
        logits: Tensor = network.diffusion_head(
            network(torch.tensor([ids]), torch.arange(len(ids))[None], causal)
        )[0]
    return logits


_TRAINING = "the network in training form"
TINY: Mapping[str, Tiny] = {
    "llama": Tiny(_llama, "transformers", _of_transformers),
    "nemotron": Tiny(_nemotron, "transformers", _of_transformers),
    "nemotron_h": Tiny(_hybrid, "transformers", _of_transformers),
    "nemotron_labs_diffusion": Tiny(_diffusion, _TRAINING, _of_training),
}
