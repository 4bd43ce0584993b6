"""Which tensors does a Llama-type checkpoint hold, and are those of a folder the same?"""

import re
from collections.abc import Iterator

from nemotron_backend.model.config import LlamaConfig
from nemotron_backend.model.design import Design
from nemotron_backend.model.errors import MissingTensor, UnknownTensor
from nemotron_backend.model.weights import Weights

_REMEDY = "Take config.json and weights from the same checkpoint."
_NORMS = ("input_layernorm", "post_attention_layernorm")
# Older releases saved the rotations, which follow from the config.
_COMPUTED = re.compile(r"\.rotary_emb\.inv_freq$")


def check_names(config: LlamaConfig, weights: Weights, design: Design) -> None:
    """Raises MissingTensor, UnknownTensor."""
    reward = design.reward
    head = f"{reward.name if reward else design.head}.weight"
    wanted = {*_names(config, design), head} | (reward.optional if reward else frozenset())
    optional = (reward.optional if reward else frozenset()) | ({head} if config.is_tied else set())
    for name in sorted(wanted - optional):
        if name not in weights:
            raise MissingTensor(weights.folder, f"tensor {name} is missing", _REMEDY)
    for name in weights:
        if name not in wanted and not _COMPUTED.search(name):
            problem = f"tensor {name} has no place in the network that the config describes"
            raise UnknownTensor(weights.file_of(name), problem, _REMEDY)


def _names(config: LlamaConfig, design: Design) -> Iterator[str]:
    maps = [f"self_attn.{name}_proj" for name in "qkvo"] + [f"mlp.{name}_proj" for name in design.mlp_maps]
    norms = [f"{name}.{part}" for name in _NORMS for part in design.norm_tensors]
    yield f"{design.trunk}.embed_tokens.weight"
    yield from (f"{design.trunk}.norm.{part}" for part in design.norm_tensors)
    for layer in range(config.num_layers):
        yield from (f"{design.trunk}.layers.{layer}.{name}" for name in norms)
        yield from (f"{design.trunk}.layers.{layer}.{name}.weight" for name in maps)
