"""Which layers does each precision leave in bfloat16?

NVIDIA's recipes for Nemotron 3: FP8 leaves attention and the latent projections, NVFP4 also the Mamba
layer before each attention layer. Embeddings, head, router and convolution are never quantised.
"""

from nemotron_backend.model.inventory import inventory, is_linear, prefix
from nemotron_backend.model.modelopt import PLAIN, Quantisation
from nemotron_backend.model.nemotron_h_config import NemotronHConfig
from nemotron_backend.request import Precision

_ALWAYS = ("lm_head", "mtp*")


def recipe(config: NemotronHConfig, precision: Precision) -> Quantisation:
    """The precision of every layer when a bfloat16 checkpoint is quantised."""
    if precision == "bf16":
        return PLAIN
    kept = [f"{prefix(layer)}*" for layer, kind in enumerate(config.layers) if kind == "attention"]
    if precision == "nvfp4":
        kept += [f"{prefix(layer)}*" for layer in _before_attention(config)]
    latent = [
        name.removesuffix(".weight") for name in inventory(config) if is_linear(name) and "_latent_" in name
    ]
    return Quantisation(precision=precision, excluded=tuple(sorted({*_ALWAYS, *kept, *latent})))


def _before_attention(config: NemotronHConfig) -> list[int]:
    """The Mamba layers that are followed by attention."""
    pairs = enumerate(zip(config.layers, config.layers[1:], strict=False))
    return [layer for layer, pair in pairs if pair == ("mamba", "attention")]
