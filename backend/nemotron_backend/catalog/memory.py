"""How many bytes do a model's weights take in each precision?

Embeddings, head and norms stay bfloat16. Everything in the layers is counted as rounded, so where a
checkpoint keeps some maps in bfloat16, as those of hybrids do, this is the least that it can take.
"""

from collections.abc import Mapping

from nemotron_backend.catalog.dimensions import Dimensions
from nemotron_backend.request import Precision

# NVFP4 stores four bits a number, and a scale of eight bits for each sixteen of them.
_BITS: Mapping[Precision, float] = {"bf16": 16, "fp8": 8, "nvfp4": 4 + 8 / 16}


def weight_bytes(dimensions: Dimensions, precision: Precision) -> int:
    """Bytes of all weights, without caches and activations."""
    inside = dimensions.layer_parameters
    return 2 * (dimensions.total_parameters - inside) + int(inside * _BITS[precision] / 8)


def cache_bytes_per_token(dimensions: Dimensions) -> int:
    """Bytes of keys and values in bfloat16 that one more token of a sequence takes."""
    attention = dimensions.attention
    if attention is None:
        return 0
    num_layers = dimensions.pattern.count("*") * dimensions.repeats
    return num_layers * 2 * attention.key_value_heads * attention.head_dim * 2
