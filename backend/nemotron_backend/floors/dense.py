"""Which calls do attention, a dense feed-forward layer and the head make?"""

from collections.abc import Iterator
from dataclasses import replace

from nemotron_backend.catalog.dimensions import Attention, FeedForward
from nemotron_backend.floors.call import ACTIVATION_BYTES, Call, Load, product


def attention_calls(attention: Attention, hidden: int, load: Load) -> Iterator[Call]:
    """Projections, which published checkpoints leave in BF16, and the cached prefix with the new tokens."""
    queries = attention.query_heads * attention.head_dim
    keys_and_values = 2 * attention.key_value_heads * attention.head_dim
    yield product("qkv_proj", (queries + keys_and_values, hidden), load, "bf16")
    # One new token stands in the context already: its key is written before it is read.
    seen = load.context + (load.tokens if load.tokens > 1 else 0)
    yield Call(
        op="block_attention",
        name=f"{load.tokens} queries, {load.context} cached, {8 * load.cache} bits",
        kept=load.batch * load.context * keys_and_values * load.cache,
        activations=load.rows * 2 * queries * ACTIVATION_BYTES
        + load.batch * (seen - load.context) * keys_and_values * ACTIVATION_BYTES,
        operations=4.0 * load.rows * queries * seen,
    )
    yield product("o_proj", (hidden, queries), load, "bf16")


def feed_forward_calls(layer: FeedForward, hidden: int, load: Load) -> Iterator[Call]:
    """Two products; a gated layer's first two are one, whose result is already gated."""
    up = product("up", (layer.width, hidden), load, load.precision)
    both = product("gate and up", (2 * layer.width, hidden), load, load.precision)
    yield replace(both, activations=up.activations) if layer.gated else up
    yield product("down", (hidden, layer.width), load, load.precision)


def head_call(vocabulary: int, hidden: int, load: Load) -> Call:
    """In BF16, with logits in BF16."""
    return product("lm_head", (vocabulary, hidden), load, "bf16")


def sampler_call(vocabulary: int, load: Load) -> Call:
    """One pass over float32 logits for the likeliest token and its probability."""
    numbers = load.rows * vocabulary
    return Call(
        op="diffusion_sampler",
        name=f"{load.rows} positions of {vocabulary}",
        activations=4 * numbers,
        operations=5 * numbers,
    )
