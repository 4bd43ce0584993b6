"""Which tensors does a Llama-type checkpoint hold, and are those of a folder the same?"""

import re
from collections.abc import Iterator

from nemotron_backend.model.config import LlamaConfig
from nemotron_backend.model.errors import MissingTensor, UnknownTensor
from nemotron_backend.model.weights import Weights

_REMEDY = "Take config.json and weights from the same checkpoint."
_LAYER = (
    "input_layernorm",
    "post_attention_layernorm",
    *(f"self_attn.{name}_proj" for name in "qkvo"),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
)
# Older releases saved the rotations, which follow from the config.
_COMPUTED = re.compile(r"\.rotary_emb\.inv_freq$")


def check_names(config: LlamaConfig, weights: Weights, trunk: str, head: str) -> None:
    """Raises MissingTensor, UnknownTensor."""
    wanted = {f"{name}.weight" for name in _modules(config, trunk)} | {f"{head}.weight"}
    optional = {f"{head}.weight"} if config.is_tied else set()
    for name in sorted(wanted - optional):
        if name not in weights:
            raise MissingTensor(weights.folder, f"tensor {name} is missing", _REMEDY)
    for name in weights:
        if name not in wanted and not _COMPUTED.search(name):
            problem = f"tensor {name} has no place in the network that the config describes"
            raise UnknownTensor(weights.file_of(name), problem, _REMEDY)


def _modules(config: LlamaConfig, trunk: str) -> Iterator[str]:
    yield f"{trunk}.embed_tokens"
    yield f"{trunk}.norm"
    for layer in range(config.num_layers):
        yield from (f"{trunk}.layers.{layer}.{name}" for name in _LAYER)
