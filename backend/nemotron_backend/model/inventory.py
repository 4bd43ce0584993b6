"""Which tensors does a nemotron_h checkpoint hold, and what shape is each?

Names are those that NVIDIA ships. Multi-token prediction lies beside the network under `mtp.`, and the
scales of an FP8 key and value cache beside the attention layers: known, and not part of the network.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from nemotron_backend.model.nemotron_h_config import Kind, NemotronHConfig

PREDICTION = "mtp."
EMBEDDING = "backbone.embeddings.weight"
HEAD = "lm_head.weight"
NORM = "backbone.norm_f.weight"

Shape = tuple[int, ...]

_LINEAR = re.compile(r"(?:_proj|lm_head)\.weight$")
_CACHE_SCALE = re.compile(r"\.[kv]_scale$")
# Older checkpoints write the embedding in the singular.
_OLD_EMBEDDING = "backbone.embedding.weight"


def is_linear(name: str) -> bool:
    """Whether a tensor is the weight of a linear layer, which a precision may quantise."""
    return _LINEAR.search(name) is not None


def is_set_aside(name: str) -> bool:
    """Whether a tensor is known and no part of the network."""
    return name.startswith(PREDICTION) or _CACHE_SCALE.search(name) is not None


def canonical(name: str) -> str:
    """The name under which this release's checkpoints hold the tensor."""
    return EMBEDDING if name == _OLD_EMBEDDING else name


def prefix(layer: int) -> str:
    """Where the tensors of a layer's mixer are."""
    return f"backbone.layers.{layer}.mixer."


def inventory(config: NemotronHConfig) -> dict[str, Shape]:
    """Every tensor of the network with its shape, linear weights as if unquantised."""
    hidden = config.hidden_size
    shapes: dict[str, Shape] = {EMBEDDING: (config.vocab_size, hidden)}
    for layer, kind in enumerate(config.layers):
        shapes[f"backbone.layers.{layer}.norm.weight"] = (hidden,)
        shapes |= {prefix(layer) + name: shape for name, shape in _MIXERS[kind](config)}
    return {**shapes, NORM: (hidden,), HEAD: (config.vocab_size, hidden)}


def prediction_inventory(config: NemotronHConfig) -> dict[str, Shape]:
    """Every tensor of the block that predicts further tokens, with its shape."""
    hidden, last = config.hidden_size, len(config.prediction_layers) - 1
    shapes: dict[str, Shape] = {}
    for layer, kind in enumerate(config.prediction_layers):
        start = f"{PREDICTION}layers.{layer}."
        if layer == 0:
            shapes |= {f"{start}{name}.weight": (hidden,) for name in ("enorm", "hnorm")}
            shapes[f"{start}eh_proj.weight"] = (hidden, 2 * hidden)
        shapes[f"{start}norm.weight"] = (hidden,)
        shapes |= {f"{start}mixer.{name}": shape for name, shape in _MIXERS[kind](config)}
        if layer == last:
            shapes[f"{start}final_layernorm.weight"] = (hidden,)
    return shapes


def _mamba(config: NemotronHConfig) -> Iterator[tuple[str, Shape]]:
    heads, inner, convolution = config.mamba_num_heads, config.inner_size, config.convolution_size
    yield "in_proj.weight", (inner + convolution + heads, config.hidden_size)
    yield "conv1d.weight", (convolution, 1, config.conv_kernel)
    if config.use_conv_bias:
        yield "conv1d.bias", (convolution,)
    for name in ("dt_bias", "A_log", "D"):
        yield name, (heads,)
    yield "norm.weight", (inner,)
    yield "out_proj.weight", (config.hidden_size, inner)


def _attention(config: NemotronHConfig) -> Iterator[tuple[str, Shape]]:
    queries, keys = config.num_attention_heads * config.head_dim, config.num_key_value_heads * config.head_dim
    yield "q_proj.weight", (queries, config.hidden_size)
    yield "k_proj.weight", (keys, config.hidden_size)
    yield "v_proj.weight", (keys, config.hidden_size)
    yield "o_proj.weight", (config.hidden_size, queries)


def _experts(config: NemotronHConfig) -> Iterator[tuple[str, Shape]]:
    hidden, read, width = config.hidden_size, config.expert_input_size, config.moe_intermediate_size
    yield "gate.weight", (config.n_routed_experts, hidden)
    yield "gate.e_score_correction_bias", (config.n_routed_experts,)
    for expert in range(config.n_routed_experts):
        yield f"experts.{expert}.up_proj.weight", (width, read)
        yield f"experts.{expert}.down_proj.weight", (read, width)
    yield "shared_experts.up_proj.weight", (config.moe_shared_expert_intermediate_size, hidden)
    yield "shared_experts.down_proj.weight", (hidden, config.moe_shared_expert_intermediate_size)
    if config.moe_latent_size is not None:
        yield "fc1_latent_proj.weight", (config.moe_latent_size, hidden)
        yield "fc2_latent_proj.weight", (hidden, config.moe_latent_size)


def _mlp(config: NemotronHConfig) -> Iterator[tuple[str, Shape]]:
    yield "up_proj.weight", (config.intermediate_size, config.hidden_size)
    yield "down_proj.weight", (config.hidden_size, config.intermediate_size)


_MIXERS: Mapping[Kind, Callable[[NemotronHConfig], Iterator[tuple[str, Shape]]]] = {
    "mamba": _mamba,
    "attention": _attention,
    "experts": _experts,
    "mlp": _mlp,
}
